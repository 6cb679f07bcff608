/**
 * Kills a story at its N-th system call of a kind, for every N there is, two stories at a time. In CI calls that come by the hundred
 * are sampled; FELHOM_EXHAUSTIVE=1 takes them all.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { BINARY } from "../../scripts/fleet/real-fleet.ts";

export const EXHAUSTIVE = process.env["FELHOM_EXHAUSTIVE"] === "1";
const POINTS_MAX = 2_000;
const LANES = 2;
/** For `test`: how long one sweep may take, with every point. */
export const SWEEP_MS_MAX = 3_600_000;

/** Why kills cannot be aimed here; `undefined` when they can. */
export const noKills = Bun.which("strace") === null ? "strace is not installed" : existsSync(BINARY) ? undefined : "dist/felhom is not built";

/** Kills at the nth call of the main thread; with `all`, of any thread or child, each counted by itself. */
export const killAt = (syscall: string, nth: number, all = false): readonly string[] => [
  "strace",
  ...(all ? ["-f"] : []),
  "-qq",
  "-o",
  "/dev/null",
  "-e",
  `trace=${syscall}`,
  "-e",
  `inject=${syscall}:signal=KILL:when=${nth}`,
];

export interface Sweep {
  /** Points at which something was killed. */
  readonly killed: number;
  /** The last one of them: how many there are. */
  readonly last: number;
}

/** Tells the story with a kill at 1, 1 + step, 1 + 2 × step … until it comes through unharmed. */
export async function sweep(step: number, story: (nth: number) => Promise<"killed" | "unharmed">, lanesMax = LANES): Promise<Sweep> {
  let next = 1;
  let isOver = false;
  let killed = 0;
  let last = 0;
  const lane = async (): Promise<void> => {
    while (!isOver && next <= POINTS_MAX) {
      const nth = next;
      next += step;
      if ((await story(nth)) === "unharmed") isOver = true;
      else {
        killed += 1;
        last = Math.max(last, nth);
      }
    }
  };
  const lanes = await Promise.allSettled(Array.from({ length: lanesMax }, lane));
  for (const ended of lanes) if (ended.status === "rejected") throw ended.reason;
  if (!isOver) throw new Error(`the story was never told to its end: ${POINTS_MAX} kill points`);
  return { killed, last };
}

export function tell(what: string, { killed, last }: Sweep, step: number): void {
  const sampled = step === 1 ? "" : ` of ${last} and up, every ${step}th (FELHOM_EXHAUSTIVE=1 takes all)`;
  process.stdout.write(`kill points, ${what}: ${killed}${sampled}\n`);
}

/** Why a process that runs already cannot be aimed at; `undefined` when it can. */
export const noAttaching = noKills ?? (process.getuid?.() === 0 ? undefined : "it takes root to trace a process that runs already");

/** Kills a running process at the nth call of any of its threads from now on. Resolves when all of them are watched. */
export async function aimAt(pid: number, syscall: string, nth: number): Promise<{ lower(): Promise<void> }> {
  const [strace = "", ...words] = killAt(syscall, nth, true);
  const child = Bun.spawn([strace, ...words, "-p", String(pid)], { stdin: "ignore", stdout: "ignore", stderr: "pipe" });
  for (let tries = 0; tries < 3_000 && !isWatched(pid); tries += 1) {
    if (child.exitCode !== null) throw new Error(`strace ended: ${await new Response(child.stderr).text()}`);
    await Bun.sleep(10);
  }
  if (!isWatched(pid)) throw new Error(`process ${pid} is not watched`);
  const lower = async (): Promise<void> => {
    child.kill("SIGTERM");
    await child.exited;
  };
  return { lower };
}

function isWatched(pid: number): boolean {
  try {
    return readdirSync(`/proc/${pid}/task`).every((task) => !/^TracerPid:\t0$/m.test(readFileSync(`/proc/${pid}/task/${task}/status`, "utf8")));
  } catch {
    return false; // one of them has just ended
  }
}
