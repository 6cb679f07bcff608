/**
 * Who follows the returns of an op. As with events, a follower holds a position and reads on from it; a commit that touches the op
 * wakes those who wait for it within the same turn. Whoever looks first says what it has seen, so that nothing between a read and a
 * wait is missed.
 */
import type { Clock } from "../../../shared/ports/clock.ts";

export const RETURN_FOLLOWERS_MAX = 200;

interface Followed {
  changes: number;
  followers: number;
  readonly waiters: Set<() => void>;
}

export class ReturnFeed {
  readonly #clock: Clock;
  readonly #ops = new Map<string, Followed>();
  #followers = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get followers(): number {
    return this.#followers;
  }

  /** False when there are `RETURN_FOLLOWERS_MAX` already. Whoever gets true must `leave`. */
  join(opId: string): boolean {
    if (this.#followers >= RETURN_FOLLOWERS_MAX) return false;
    this.#followers += 1;
    const followed = this.#ops.get(opId);
    if (followed === undefined) this.#ops.set(opId, { changes: 0, followers: 1, waiters: new Set() });
    else followed.followers += 1;
    return true;
  }

  leave(opId: string): void {
    const followed = this.#ops.get(opId);
    if (followed === undefined) return;
    this.#followers -= 1;
    followed.followers -= 1;
    if (followed.followers === 0) this.#ops.delete(opId);
  }

  /** To be asked for before each read. */
  seen(opId: string): number {
    return this.#ops.get(opId)?.changes ?? 0;
  }

  /** After the commit. */
  changed(opId: string): void {
    const followed = this.#ops.get(opId);
    if (followed === undefined) return;
    followed.changes += 1;
    for (const wake of followed.waiters) wake();
  }

  /** Resolves when something changed after `seen`, after `ms`, or when `stop` aborts. */
  async wait(opId: string, seen: number, ms: number, stop: AbortSignal): Promise<void> {
    const followed = this.#ops.get(opId);
    if (followed === undefined || followed.changes !== seen) return;
    const over = new AbortController();
    const wake = (): void => over.abort();
    followed.waiters.add(wake);
    await this.#clock.sleep(ms, AbortSignal.any([over.signal, stop]));
    followed.waiters.delete(wake);
  }
}
