import { nextArrival, type Rate, waitMs } from "./gcra.ts";

/**
 * One rate per key (an address) and one for all of them, in bounded memory. When the table is full, the key that asked longest ago is
 * forgotten: somebody with endless addresses can so reset his own share, and then meets the rate over all.
 */
export class Limiter {
  readonly #arrivals = new Map<string, number>();
  readonly #each: Rate;
  readonly #total: Rate;
  readonly #keysMax: number;
  #totalArrival = 0;
  #refused = 0;

  constructor(options: { readonly each: Rate; readonly total: Rate; readonly keysMax?: number }) {
    this.#each = options.each;
    this.#total = options.total;
    this.#keysMax = options.keysMax ?? KEYS_MAX;
  }

  get refused(): number {
    return this.#refused;
  }

  get keys(): number {
    return this.#arrivals.size;
  }

  /** 0 admits and counts this request; otherwise the milliseconds to wait, and nothing is counted. */
  take(key: string, nowMs: number): number {
    const arrival = this.#arrivals.get(key) ?? 0;
    const wait = Math.max(waitMs(arrival, nowMs, this.#each), waitMs(this.#totalArrival, nowMs, this.#total));
    if (wait > 0) {
      this.#refused += 1;
      return wait;
    }
    this.#totalArrival = nextArrival(this.#totalArrival, nowMs, this.#total);
    this.#arrivals.delete(key);
    if (this.#arrivals.size >= this.#keysMax) this.#forgetOldest();
    this.#arrivals.set(key, nextArrival(arrival, nowMs, this.#each));
    return 0;
  }

  /** What `take` would say, without counting: to refuse before work is done whose failure is what counts. */
  peek(key: string, nowMs: number): number {
    return Math.max(waitMs(this.#arrivals.get(key) ?? 0, nowMs, this.#each), waitMs(this.#totalArrival, nowMs, this.#total));
  }

  #forgetOldest(): void {
    for (const key of this.#arrivals.keys()) {
      this.#arrivals.delete(key);
      return;
    }
  }
}

export const KEYS_MAX = 10_000;
