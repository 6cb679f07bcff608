/**
 * Programs of the simulation are functions. Each runs as a process of its own, with a World of its own on the same machine; when
 * its starter dies it dies too or lives on, as the machine's fates have it, because a process group survives a kill -9 of its starter.
 */
import { Fault } from "../core/fault.ts";
import type { Command, Exec, Finished } from "../ports/exec.ts";
import type { World } from "../ports/world.ts";
import type { Scheduler } from "./scheduler.ts";
import { ProcessDied, type SimProcess } from "./sim-process.ts";

export interface Program {
  readonly argv: readonly string[];
  readonly stdin: Uint8Array;
  readonly env: Readonly<Record<string, string>>;
  readonly world: World;
  readonly stop: AbortSignal;
}

export interface Ended {
  readonly code: number;
  readonly stdout?: Uint8Array;
  readonly stderr?: Uint8Array;
}

/** The function behind an argv, or undefined when no such program is installed. */
export type Programs = (argv: readonly string[]) => ((program: Program) => Promise<Ended>) | undefined;

const GONE: Ended = { code: 1 };

export interface ExecOptions {
  readonly scheduler: Scheduler;
  readonly programs: Programs;
  readonly startMs: (argv: readonly string[]) => number;
  readonly orphansLive: () => boolean;
  readonly fork: (name: string) => { readonly process: SimProcess; readonly world: World };
}

export function simExec(parent: SimProcess, options: ExecOptions): Exec {
  const start = (
    op: string,
    command: Omit<Command, "timeoutMs" | "outputBytesMax">,
    timeoutMs: number | undefined,
    ended: (finished: Finished) => void,
    fed?: Promise<Uint8Array>,
  ): SimProcess => {
    const program = options.programs(command.argv);
    if (program === undefined) throw new Fault("exec_missing", `Cannot start ${command.argv[0]}: it is not installed`, { facts: { op } });
    const { process: child, world } = options.fork(command.argv.slice(0, 3).join(" "));
    const stop = new AbortController();
    let over = false;
    const end = (finished: Partial<Finished>): void => {
      if (over) return;
      over = true;
      cancelTimer();
      command.stop?.removeEventListener("abort", kill);
      child.die();
      ended({ code: null, signal: null, stdout: new Uint8Array(), stderr: new Uint8Array(), truncated: false, timedOut: false, ...finished });
    };
    const kill = (): void => end({ signal: "SIGKILL" });
    const cancelTimer = timeoutMs === undefined ? () => undefined : options.scheduler.after(timeoutMs, () => end({ signal: "SIGKILL", timedOut: true }));
    command.stop?.addEventListener("abort", kill);
    parent.onDeath(() => {
      if (!options.orphansLive()) child.die();
    });
    child.onDeath(kill);
    options.scheduler.after(options.startMs(command.argv), () => {
      if (!child.alive) return;
      const run = (stdin: Uint8Array): Promise<Ended> => program({ argv: command.argv, stdin, env: command.env, world, stop: stop.signal });
      // A program that is fed reads its stdin first of all, and ends unfed when its starter is gone.
      (fed === undefined ? run(command.stdin ?? new Uint8Array()) : fed.then((stdin) => (child.alive ? run(stdin) : GONE))).then(
        ({ code, stdout, stderr }) => child.alive && end({ code, ...(stdout === undefined ? {} : { stdout }), ...(stderr === undefined ? {} : { stderr }) }),
        (error: unknown) =>
          error instanceof ProcessDied
            ? kill()
            : end({ code: 70, stderr: new TextEncoder().encode(error instanceof Error ? (error.stack ?? error.message) : String(error)) }),
      );
    });
    return child;
  };
  return {
    run: (op, command) =>
      parent.async<Finished>(op, "exec", (resolve, reject) => {
        if (command.stop?.aborted === true) {
          resolve({ code: null, signal: "SIGKILL", stdout: new Uint8Array(), stderr: new Uint8Array(), truncated: false, timedOut: false });
          return;
        }
        try {
          start(op, command, command.timeoutMs, (finished) => resolve(bounded(finished, command.outputBytesMax)));
        } catch (error) {
          reject(error);
        }
      }),
    spawn: (op, command) =>
      parent.effect(op, "exec", () => {
        let resolve: (finished: Finished) => void = () => undefined;
        const exited = new Promise<Finished>((settle) => {
          resolve = settle;
        });
        const child = start(op, command, undefined, (finished) => parent.alive && resolve(finished));
        return { pid: child.pid, exited: exited.then(({ code, signal }) => ({ code, signal })), kill: () => child.die() };
      }),
    start: (op, command) =>
      parent.effect(op, "exec", () => {
        const ended = Promise.withResolvers<Finished>();
        const fed = Promise.withResolvers<Uint8Array>();
        const child = start(op, command, undefined, (finished) => parent.alive && ended.resolve(finished), fed.promise);
        const exited = ended.promise.then(({ code, signal, stdout, stderr }) => {
          if (stdout.byteLength > 0) command.onOutput("stdout", stdout);
          if (stderr.byteLength > 0) command.onOutput("stderr", stderr);
          return { code, signal };
        });
        // Feeding is an effect like any other: a starter may die right before or right after it.
        return { pid: child.pid, exited, kill: () => child.die(), feed: (bytes) => parent.effect(`${op}.feed`, "exec", () => fed.resolve(bytes)) };
      }),
  };
}

function bounded(finished: Finished, bytesMax: number): Finished {
  const truncated = finished.stdout.byteLength > bytesMax || finished.stderr.byteLength > bytesMax;
  return { ...finished, stdout: finished.stdout.slice(0, bytesMax), stderr: finished.stderr.slice(0, bytesMax), truncated };
}
