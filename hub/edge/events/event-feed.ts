/**
 * Who waits for events. A follower holds a position, not a queue: it reads on from the last sequence it was given, a page at a time, as
 * fast as its own connection takes them. So a slow client costs one small object however much happens, and nothing is ever dropped
 * from the middle. One look-up a second serves all followers, and none is made while nobody follows.
 */
import type { Clock } from "../../../shared/ports/clock.ts";

export const FOLLOWERS_MAX = 200;
const LOOK_EVERY_MS = 1_000;

export class EventFeed {
  readonly #clock: Clock;
  readonly #newest: () => Promise<number>;
  readonly #isOver: () => boolean;
  readonly #waiters = new Set<Waiter>();
  #followers = 0;
  #looking = false;

  /** `isOver`: the hub is stopping, so nobody waits any more. */
  constructor(clock: Clock, newest: () => Promise<number>, isOver: () => boolean) {
    this.#clock = clock;
    this.#newest = newest;
    this.#isOver = isOver;
  }

  get followers(): number {
    return this.#followers;
  }

  /** False when there are `FOLLOWERS_MAX` already. Whoever gets true must `leave`. */
  join(): boolean {
    if (this.#followers >= FOLLOWERS_MAX) return false;
    this.#followers += 1;
    return true;
  }

  leave(): void {
    this.#followers -= 1;
  }

  /** Resolves when there is an event after `seenSeq`, after `ms`, or when `stop` aborts: whichever is first. */
  async wait(seenSeq: number, ms: number, stop: AbortSignal): Promise<void> {
    const over = new AbortController();
    const waiter: Waiter = { seenSeq, wake: () => over.abort() };
    this.#waiters.add(waiter);
    void this.#look();
    await this.#clock.sleep(ms, AbortSignal.any([over.signal, stop]));
    this.#waiters.delete(waiter);
  }

  /** Runs only while somebody waits. A look that fails wakes everybody: each then meets the fault in its own read, and says so. */
  async #look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    const never = new AbortController().signal;
    try {
      while (this.#waiters.size > 0) {
        const newest = await this.#newest();
        for (const waiter of this.#waiters) if (waiter.seenSeq < newest || this.#isOver()) waiter.wake();
        await this.#clock.sleep(LOOK_EVERY_MS, never);
      }
    } catch {
      for (const waiter of this.#waiters) waiter.wake();
    } finally {
      this.#looking = false;
    }
  }
}

interface Waiter {
  /** The newest sequence, of any kind and host, when this follower last read. */
  readonly seenSeq: number;
  wake(): void;
}
