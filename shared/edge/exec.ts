/**
 * Other programs, by Bun.spawn. Each child leads a process group of its own (`detached` = setsid): when it ends, is stopped or
 * runs out of time, whatever it started and left in the group is killed, because Bun's own `timeout` leaves grandchildren alive
 * (measured). A program that wants to outlive its starter must make its own session, as daemons do.
 * Another user and limits come from util-linux' setpriv and prlimit, which replace themselves by the program.
 */
import { accessSync, constants } from "node:fs";
import { Fault } from "../core/fault.ts";
import type { Child, Command, Exec, Finished, Piped, PipedCommand } from "../ports/exec.ts";
import { errnoOf } from "./errno.ts";

/** Where programs are looked for when the child's own environment has no PATH. */
const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/** A grandchild in a session of its own may hold our pipes open after the child ended: stop listening then. */
const PIPE_GRACE_MS = 1_000;

export const realExec: Exec = { run, spawn, start: startPiped };

async function run(op: string, command: Command): Promise<Finished> {
  if (command.stop?.aborted === true)
    return { code: null, signal: "SIGKILL", stdout: new Uint8Array(), stderr: new Uint8Array(), truncated: false, timedOut: false };
  const process = start(op, command, { stdin: command.stdin ?? "ignore", stdout: "pipe", stderr: "pipe" });
  const killGroup = (): void => signalGroup(process.pid, "SIGKILL");
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    killGroup();
  }, command.timeoutMs);
  const askGroup = (): void => signalGroup(process.pid, "SIGTERM");
  command.stop?.addEventListener("abort", killGroup);
  command.asked?.addEventListener("abort", askGroup);
  if (command.asked?.aborted === true) askGroup();
  const stdout = collect(process.stdout, command.outputBytesMax);
  const stderr = collect(process.stderr, command.outputBytesMax);
  try {
    await process.exited;
  } finally {
    clearTimeout(timer);
    command.stop?.removeEventListener("abort", killGroup);
    command.asked?.removeEventListener("abort", askGroup);
    killGroup();
  }
  const [out, err] = await Promise.all([stdout.end(PIPE_GRACE_MS), stderr.end(PIPE_GRACE_MS)]);
  return { ...ending(process), stdout: out.bytes, stderr: err.bytes, truncated: out.truncated || err.truncated, timedOut };
}

function spawn(op: string, command: Omit<Command, "timeoutMs" | "stdin" | "outputBytesMax">): Child {
  const process = start(op, command, { stdin: "ignore", stdout: "inherit", stderr: "inherit" });
  const kill = (signal: "TERM" | "KILL"): void => signalGroup(process.pid, `SIG${signal}`);
  const stop = (): void => kill("KILL");
  if (command.stop?.aborted === true) stop();
  command.stop?.addEventListener("abort", stop);
  const exited = process.exited.then(() => {
    command.stop?.removeEventListener("abort", stop);
    signalGroup(process.pid, "SIGKILL"); // what it left behind
    return ending(process);
  });
  return { pid: process.pid, exited, kill };
}

function startPiped(op: string, command: PipedCommand): Piped {
  const process = start(op, command, { stdin: "pipe", stdout: "pipe", stderr: "pipe" });
  const kill = (signal: "TERM" | "KILL"): void => signalGroup(process.pid, `SIG${signal}`);
  const stop = (): void => kill("KILL");
  if (command.stop?.aborted === true) stop();
  command.stop?.addEventListener("abort", stop);
  const heard = [hear(process.stdout, (bytes) => command.onOutput("stdout", bytes)), hear(process.stderr, (bytes) => command.onOutput("stderr", bytes))];
  const exited = process.exited.then(async () => {
    command.stop?.removeEventListener("abort", stop);
    signalGroup(process.pid, "SIGKILL"); // what it left behind
    await Promise.all(heard.map((stream) => stream.end(PIPE_GRACE_MS)));
    return ending(process);
  });
  // A child that ended without reading leaves a broken pipe, now or later: its exit code says what matters.
  const feed = (bytes: Uint8Array): void => void feedAll(process.stdin, bytes).catch(() => undefined);
  return { pid: process.pid, exited, kill, feed };
}

async function feedAll(stdin: Bun.FileSink, bytes: Uint8Array): Promise<void> {
  await stdin.write(bytes);
  await stdin.end();
}

function start<In extends Uint8Array | "ignore" | "pipe", Out extends "pipe" | "inherit">(
  op: string,
  command: Omit<Command, "timeoutMs" | "stdin" | "outputBytesMax">,
  stdio: { stdin: In; stdout: Out; stderr: Out },
): Bun.Subprocess<In, Out, Out> {
  const argv = fullArgv(op, command);
  try {
    return Bun.spawn(argv, { ...stdio, env: { ...command.env }, detached: true, ...(command.cwd === undefined ? {} : { cwd: command.cwd }) });
  } catch (error) {
    const errno = errnoOf(error);
    throw new Fault(errno === "ENOENT" ? "exec_missing" : "exec_failed", `Cannot start ${command.argv[0]}: ${errno ?? "unknown error"}`, {
      facts: { op, errno },
      cause: error,
    });
  }
}

function fullArgv(op: string, { argv, env, user, limits }: Pick<Command, "argv" | "env" | "user" | "limits">): string[] {
  const find = (program: string): string => findProgram(op, program, env["PATH"] ?? DEFAULT_PATH);
  const [program, ...rest] = argv;
  const inner = [find(program), ...rest];
  const bounds = [
    ...(limits?.cpuSeconds === undefined ? [] : [`--cpu=${limits.cpuSeconds}`]),
    ...(limits?.dataBytes === undefined ? [] : [`--data=${limits.dataBytes}`]),
  ];
  const limited = bounds.length === 0 ? inner : [findProgram(op, "prlimit", DEFAULT_PATH), ...bounds, "--", ...inner];
  if (user === undefined) return limited;
  return [findProgram(op, "setpriv", DEFAULT_PATH), `--reuid=${user.uid}`, `--regid=${user.gid}`, "--clear-groups", "--", ...limited];
}

/** Found here and not by the wrapper, so that a missing program is `exec_missing` and not setpriv's exit code 127. */
function findProgram(op: string, program: string, path: string): string {
  const candidates = program.includes("/") ? [program] : path.split(":").map((dir) => `${dir}/${program}`);
  const found = candidates.find(isExecutable);
  if (found === undefined) throw new Fault("exec_missing", `Cannot start ${program}: it is not installed`, { facts: { op, program } });
  return found;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The group may be gone already (ESRCH), which is what was wanted. */
function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if (errnoOf(error) !== "ESRCH" && errnoOf(error) !== "EPERM") throw error;
  }
}

function ending(process: { readonly exitCode: number | null; readonly signalCode: string | number | null }): { code: number | null; signal: string | null } {
  return process.signalCode === null ? { code: process.exitCode, signal: null } : { code: null, signal: String(process.signalCode) };
}

/** Reads a pipe to its end, keeps the first `bytesMax`, drops the rest, so that a chatty child never blocks. */
function collect(stream: ReadableStream<Uint8Array>, bytesMax: number): { end(graceMs: number): Promise<{ bytes: Uint8Array; truncated: boolean }> } {
  const chunks: Uint8Array[] = [];
  let length = 0;
  let truncated = false;
  const heard = hear(stream, (value) => {
    const room = bytesMax - length;
    if (value.byteLength > room) truncated = true;
    if (room <= 0) return;
    const kept = value.byteLength > room ? value.slice(0, room) : value;
    chunks.push(kept);
    length += kept.byteLength;
  });
  return {
    end: async (graceMs) => {
      await heard.end(graceMs);
      return { bytes: new Uint8Array(Buffer.concat(chunks)), truncated };
    },
  };
}

/** Reads a pipe as it comes. `end` waits for its end, and stops listening after the grace. */
function hear(stream: ReadableStream<Uint8Array>, onBytes: (bytes: Uint8Array) => void): { end(graceMs: number): Promise<void> } {
  const reader = stream.getReader();
  const done = (async () => {
    for (;;) {
      const { value, done: ended } = await reader.read();
      if (ended || value === undefined) return;
      onBytes(value);
    }
  })();
  const end = async (graceMs: number): Promise<void> => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const grace = new Promise<void>((resolve) => {
      timer = setTimeout(() => {
        reader.cancel().then(resolve, () => resolve());
      }, graceMs);
    });
    await Promise.race([done, grace]);
    clearTimeout(timer);
  };
  return { end };
}
