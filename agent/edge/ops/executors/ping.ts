import type { World } from "../../../../shared/ports/world.ts";
import { PROTOCOL } from "../../../../shared/protocol/version.ts";
import type { Desk } from "../../desk.ts";
import { done, type Executor, type Outcome } from "../executor.ts";

export const ping: Executor<"ping"> = (_params, { world, desk }) => Promise.resolve(pong(world, desk));

/** What this process knows of itself: no file, no program, nothing that could be done twice. */
export function pong({ self, clock }: Pick<World, "self" | "clock">, desk: Desk): Outcome {
  const { held } = desk;
  return done({
    version: self.version,
    protocol: PROTOCOL,
    uptime_ms: Math.max(0, clock.wallMs() - desk.startedMs),
    run: desk.run,
    root: held?.root ?? 0,
    cert: held?.cert ?? 0,
    bundle: held?.bundle ?? 0,
    spec: held?.spec?.generation ?? 0,
  });
}
