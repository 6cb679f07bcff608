/**
 * One crash at one exact effect: the n-th that the first box (or the hub) makes, counted from its first boot, so that enrolling, adopting,
 * staging, converging and acknowledging are each cut at every one of their steps. The process dies there, or the power fails;
 * everything must settle all the same, with nothing lost that was promised.
 */
import { seededRng } from "../edge/rng.ts";
import { DONE } from "./sim-process.ts";
import { type Simulated, simulate } from "./simulate.ts";

export interface CrashRun {
  readonly machine: "box-1" | "hub";
  readonly nth: number;
  readonly how: "process dies" | "power fails";
  readonly when: "dies before" | "dies after";
}

const HOURS = 0.5;
const OFF_MS = 30_000;

export async function crashRun({ machine, nth, how, when }: CrashRun): Promise<Simulated> {
  const rng = seededRng(`crash ${machine} ${nth}`);
  let calls = 0;
  return simulate({
    seed: "crash-run",
    boxes: 2,
    hours: HOURS,
    settleHours: 2,
    faults: false,
    begin: (cluster) => {
      const victim = machine === "hub" ? cluster.hub : cluster.boxes[0];
      const lives = rng.int(2) === 0;
      if (victim !== undefined) victim.machine.orphansLive = () => lives;
      cluster.fates = (name, process, op) => {
        // The keeper's own preparations are not the program's.
        if (name !== machine || op === "boot" || op === "install" || process.name.endsWith("/boot")) return DONE;
        calls += 1;
        if (calls !== nth) return DONE;
        if (how === "power fails") cluster.scheduler.after(0, () => victim?.powerCut(OFF_MS));
        return { is: when };
      };
    },
  });
}
