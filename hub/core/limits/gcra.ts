/**
 * The generic cell rate algorithm: a rate limit that is one number per subject, its theoretical arrival time. No bucket to refill,
 * no timer, no object. Source: ITU-T I.371; the same idea is a token bucket that is never counted down.
 */
export interface Rate {
  /** Time one request costs. */
  readonly intervalMs: number;
  /** Requests that may come at once after a quiet time. */
  readonly burst: number;
}

export const ratePerSecond = (count: number, burst: number = count): Rate => ({ intervalMs: 1_000 / count, burst });
export const ratePerMinute = (count: number, burst: number = count): Rate => ({ intervalMs: 60_000 / count, burst });

/** How long a request at `nowMs` would have to wait; 0 admits it, and the caller then stores `nextArrival`. */
export function waitMs(arrivalMs: number, nowMs: number, rate: Rate): number {
  return Math.max(0, Math.ceil(arrivalMs - (rate.burst - 1) * rate.intervalMs - nowMs));
}

export function nextArrival(arrivalMs: number, nowMs: number, rate: Rate): number {
  return Math.max(arrivalMs, nowMs) + rate.intervalMs;
}
