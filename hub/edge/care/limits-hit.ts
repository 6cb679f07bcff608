/**
 * A bound that was hit is a visible event, not only a counter: once a minute, one `hub.limit-hit` per limit that refused something
 * since the last look, with how often. So a flood makes a line a minute and never a row per request.
 */
import type { Hub } from "../hub.ts";
import { appendEvent } from "../store/events.ts";

export const LOOK_MS = 60_000;

export class LimitsHit {
  readonly #hub: Hub;
  readonly #read: () => Readonly<Record<string, number>>;
  #before: Readonly<Record<string, number>> = {};

  /** `read` gives counters that only grow, by the limit's name. */
  constructor(hub: Hub, read: () => Readonly<Record<string, number>>) {
    this.#hub = hub;
    this.#read = read;
  }

  async look(): Promise<void> {
    const now = this.#read();
    const hit = Object.entries(now)
      .map(([limit, count]) => ({ limit, count: count - (this.#before[limit] ?? 0) }))
      .filter(({ count }) => count > 0);
    if (hit.length > 0) {
      const at = this.#hub.world.clock.wallMs();
      await this.#hub.store.write("hub.limit-hit", (tx) => {
        for (const data of hit) appendEvent(tx.db, { at, kind: "hub.limit-hit", data });
      });
    }
    // After the write: what could not be told is told the next time.
    this.#before = now;
  }
}
