/**
 * A program that an op starts. Between the start of a process and the record of which one it is lies a gap, and a crash in it would
 * leave a process that nobody finds. So a gate goes first: a shell that waits for one line on stdin and then becomes the program
 * (the same pid and start time). Its pid is durable before the line is written, and when the agent dies before that the gate reads
 * the end of its stdin and leaves: without its record an effect never begins.
 *
 * Rejected: searching /proc for a mark in the environment – the environment is the operator's, exact.
 */
import { concat, utf8 } from "../../../shared/core/bytes.ts";
import type { OpWork, Outcome } from "./executor.ts";

export interface Program {
  readonly op: string;
  readonly argv: readonly [string, ...string[]];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly stdin?: Uint8Array | undefined;
  readonly user?: { readonly uid: number; readonly gid: number } | undefined;
}

/** What the shell itself sets is taken away again; `read` takes byte for byte from a pipe (POSIX), so the rest of stdin is the program's. */
const GATE = 'IFS= read -r _ || exit 125; unset _ PWD OLDPWD SHLVL; exec "$@"';
const SET_BY_SHELL = ["_", "PWD", "OLDPWD", "SHLVL"];

export async function runProgram(work: OpWork, program: Program): Promise<Outcome> {
  const { world, stop } = work;
  const startedMs = world.clock.monoMs();
  const own = SET_BY_SHELL.filter((name) => Object.hasOwn(program.env, name)).map((name) => `${name}=${program.env[name]}`);
  const child = world.exec.start(program.op, {
    argv: ["/bin/sh", "-c", GATE, "felhom-op", ...(own.length === 0 ? [] : ["/usr/bin/env", ...own]), ...program.argv],
    env: program.env,
    cwd: program.cwd,
    ...(program.user === undefined ? {} : { user: program.user }),
    stop,
    onOutput: work.say,
  });
  try {
    work.processIs(child.pid);
  } catch (error) {
    child.kill("KILL");
    await child.exited;
    throw error;
  }
  child.feed(concat(utf8("\n"), program.stdin ?? new Uint8Array()));
  const { code, signal } = await child.exited;
  const wasKilled = stop.aborted && signal !== null;
  return {
    as: code === 0 ? "done" : "failed",
    wasKilled,
    fields: {
      exit: code,
      ...(signal === null ? {} : { signal: signal.slice(0, 16) }),
      duration_ms: Math.max(0, Math.round(world.clock.monoMs() - startedMs)),
      ...(code === 0 ? {} : { code: signal === null ? "exit" : "signal" }),
    },
  };
}
