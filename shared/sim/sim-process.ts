/**
 * One running program of the simulation. Everything it does to the world passes through here, under the operation's name, so the
 * simulation can let it die right before or right after any single effect, or let the effect fail. Once dead, it does nothing
 * any more: each later synchronous call throws `ProcessDied`, each asynchronous one never comes back. (An asynchronous call does not
 * throw, so that no promise of a dead process is left rejected with nobody to hear.)
 */
import type { Fault } from "../core/fault.ts";

/** What kind of effect a call has. `commit` and `sync` are the ones after which something is promised. */
export type EffectKind = "clock" | "read" | "write" | "sync" | "rename" | "query" | "commit" | "request" | "serve" | "exec";

export type Fate = { readonly is: "done" } | { readonly is: "dies before" } | { readonly is: "dies after" } | { readonly is: "fails"; readonly fault: Fault };

export const DONE: Fate = { is: "done" };

/** Decides what becomes of one effect; called once for each, in order. */
export type Fates = (process: SimProcess, op: string, kind: EffectKind) => Fate;

/** Not a `Fault`: no program can handle its own death. */
export class ProcessDied extends Error {
  constructor(name: string) {
    super(`${name} is dead`);
    this.name = "ProcessDied";
  }
}

export class SimProcess {
  readonly name: string;
  readonly pid: number;
  readonly #fates: Fates;
  readonly #onDeath = new Set<() => void>();
  #alive = true;
  #calls = 0;

  constructor(name: string, pid: number, fates: Fates) {
    this.name = name;
    this.pid = pid;
    this.#fates = fates;
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** Effects so far. */
  get calls(): number {
    return this.#calls;
  }

  /** One synchronous effect. */
  effect<T>(op: string, kind: EffectKind, body: () => T): T {
    const fate = this.begin(op, kind);
    const result = body();
    this.finish(fate);
    return result;
  }

  /** The start of an asynchronous effect; `start` calls back once. Nothing comes back to a dead process. */
  async<T>(op: string, kind: EffectKind, start: (resolve: (value: T) => void, reject: (error: unknown) => void) => void): Promise<T> {
    const fate = this.#asyncFate(op, kind);
    if (fate === undefined) return new Promise<T>(() => undefined);
    return new Promise<T>((resolve, reject) => {
      if (fate.is === "fails") reject(fate.fault);
      else start(this.#whileAlive(resolve), this.#whileAlive(reject));
      if (fate.is === "dies after") this.die();
    });
  }

  /** Wraps a callback so that it does nothing after death. */
  #whileAlive<A>(call: (argument: A) => void): (argument: A) => void {
    return (argument) => {
      if (this.#alive) call(argument);
    };
  }

  /** Runs at death, or at once when that has been. Returns how to take it back. */
  onDeath(run: () => void): () => void {
    if (!this.#alive) {
      run();
      return () => undefined;
    }
    this.#onDeath.add(run);
    return () => void this.#onDeath.delete(run);
  }

  die(): void {
    if (!this.#alive) return;
    this.#alive = false;
    for (const run of this.#onDeath) run();
    this.#onDeath.clear();
  }

  /** The two halves of `effect`, for what must be decided in the middle of something. Throws when it dies or fails here. */
  begin(op: string, kind: EffectKind): Fate {
    const fate = this.#fate(op, kind);
    if (fate.is === "fails") throw fate.fault;
    return fate;
  }

  finish(fate: Fate): void {
    if (fate.is === "dies after") this.die();
    if (!this.#alive) throw new ProcessDied(this.name);
  }

  /** Undefined when it is dead or dies here: the caller then waits for ever, as the dead do. */
  #asyncFate(op: string, kind: EffectKind): Fate | undefined {
    try {
      return this.#fate(op, kind);
    } catch (error) {
      if (error instanceof ProcessDied) return undefined;
      throw error;
    }
  }

  #fate(op: string, kind: EffectKind): Fate {
    if (!this.#alive) throw new ProcessDied(this.name);
    this.#calls += 1;
    const fate = this.#fates(this, op, kind);
    if (fate.is === "dies before") {
      this.die();
      throw new ProcessDied(this.name);
    }
    return fate;
  }
}
