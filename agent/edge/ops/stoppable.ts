import type { World } from "../../../shared/ports/world.ts";
import type { OpWork } from "./executor.ts";

/** The world for providers that know nothing of ops: what they run ends, group and all, when the op is to end. */
export function stoppable({ world, stop }: Pick<OpWork, "world" | "stop">): World {
  return { ...world, exec: { ...world.exec, run: (op, command) => world.exec.run(op, { ...command, stop }) } };
}
