/**
 * Virtual time for one simulation: a queue of timers ordered by (time, order of insertion), so that two runs from one seed are
 * the same run. Time moves only in `step` and `advance`. Between two timers every pending promise is run dry.
 */
import { assert } from "../core/assert.ts";

interface Timer {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
  cancelled: boolean;
}

export class Scheduler {
  #nowMs = 0;
  #order = 0;
  #live = 0;
  #ran = 0;
  readonly #heap: Timer[] = [];

  /** Milliseconds since the simulation began. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Timers that ran so far. */
  get ran(): number {
    return this.#ran;
  }

  /** Timers that wait. */
  get waiting(): number {
    return this.#live;
  }

  /** When the next timer is due, or undefined when nothing waits. */
  get nextMs(): number | undefined {
    this.#dropCancelled();
    return this.#heap[0]?.atMs;
  }

  /** Runs `run` after `delayMs`; returns how to cancel it. */
  after(delayMs: number, run: () => void): () => void {
    const timer: Timer = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order, run, cancelled: false };
    this.#order += 1;
    this.#live += 1;
    this.#push(timer);
    return () => {
      if (timer.cancelled) return;
      timer.cancelled = true;
      this.#live -= 1;
    };
  }

  /** Runs the next timer and everything that follows from it at once. False when nothing waits. */
  async step(): Promise<boolean> {
    this.#dropCancelled();
    const timer = this.#pop();
    if (timer === undefined) return false;
    assert(timer.atMs >= this.#nowMs, "virtual time never goes back");
    this.#nowMs = timer.atMs;
    timer.cancelled = true;
    this.#live -= 1;
    this.#ran += 1;
    timer.run();
    await settle();
    return true;
  }

  /** Moves time on by `ms`, running what falls due on the way. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    await settle();
    for (let nextMs = this.nextMs; nextMs !== undefined && nextMs <= untilMs; nextMs = this.nextMs) await this.step();
    this.#nowMs = untilMs;
  }

  #dropCancelled(): void {
    while (this.#heap[0]?.cancelled === true) this.#pop();
  }

  #push(timer: Timer): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(timer);
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = heap[up];
      if (parent === undefined || !isBefore(timer, parent)) break;
      heap[at] = parent;
      at = up;
    }
    heap[at] = timer;
  }

  #pop(): Timer | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      const left = heap[2 * at + 1];
      const right = heap[2 * at + 2];
      if (left === undefined) break;
      const child = right !== undefined && isBefore(right, left) ? { timer: right, at: 2 * at + 2 } : { timer: left, at: 2 * at + 1 };
      if (!isBefore(child.timer, last)) break;
      heap[at] = child.timer;
      at = child.at;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(a: Timer, b: Timer): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

/** Lets every pending promise run: a macrotask comes only after all microtasks. Two, because a stream may hop once. */
export async function settle(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve));
  await new Promise<void>((resolve) => setImmediate(resolve));
}
