/** Programs of the system as providers start them: a fixed path and locale, bounded output, a time limit. Output is never logged. */
import { Fault } from "../../../shared/core/fault.ts";
import type { World } from "../../../shared/ports/world.ts";

export const SYSTEM_ENV: Readonly<Record<string, string>> = {
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  LC_ALL: "C.UTF-8",
  LANG: "C.UTF-8",
  HOME: "/root",
};

const OUTPUT_BYTES_MAX = 4 * 1024 * 1024;
const TIMEOUT_MS = 60_000;
const TAIL_CHARS = 300;

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly timedOut: boolean;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
  readonly cwd?: string;
  readonly user?: { readonly uid: number; readonly gid: number };
  readonly stdin?: Uint8Array;
}

export async function run(world: World, op: string, argv: readonly [string, ...string[]], options: RunOptions = {}): Promise<Ran> {
  const done = await world.exec.run(op, {
    argv,
    env: options.env ?? SYSTEM_ENV,
    cwd: options.cwd ?? "/",
    ...(options.user === undefined ? {} : { user: options.user }),
    ...(options.stdin === undefined ? {} : { stdin: options.stdin }),
    timeoutMs: options.timeoutMs ?? TIMEOUT_MS,
    outputBytesMax: OUTPUT_BYTES_MAX,
  });
  if (done.truncated && done.code === 0)
    throw new Fault("exec_failed", `Cannot read the output of ${argv[0]}: it is larger than ${OUTPUT_BYTES_MAX} bytes`, { facts: { op } });
  const text = new TextDecoder();
  return { code: done.code, stdout: text.decode(done.stdout), stderr: text.decode(done.stderr), timedOut: done.timedOut };
}

/** As `run`, and anything but exit code 0 is a fault with the end of what the program said on stderr. Only for programs whose words hold no secret. */
export async function mustRun(world: World, op: string, argv: readonly [string, ...string[]], options: RunOptions = {}): Promise<Ran> {
  const done = await run(world, op, argv, options);
  if (done.code === 0) return done;
  throw new Fault("exec_failed", `Cannot run ${argv.slice(0, 3).join(" ")}: ${endOf(done)}`, { facts: { op, code: done.code } });
}

export function endOf(done: Ran): string {
  const said = done.stderr.trim() === "" ? done.stdout.trim() : done.stderr.trim();
  const how = done.timedOut ? "it took too long" : `exit ${done.code ?? "by a signal"}`;
  return said === "" ? how : `${how}, ${said.slice(-TAIL_CHARS).replaceAll(/\s+/g, " ")}`;
}
