import type { Rng } from "../ports/rng.ts";

export interface Backoff {
  readonly firstMs: number;
  readonly maxMs: number;
}

/** The link's own: a hub restart with 100 000 agents is a ramp, not a wall. */
export const LINK_BACKOFF: Backoff = { firstMs: 1_000, maxMs: 300_000 };

/**
 * Full jitter: uniform in [floor, cap) with cap = min(maxMs, firstMs · 2^attempt). `attempt` counts failures before this
 * wait, from 0. The floor of an eighth of `firstMs` keeps every path asleep for a while: no failure may spin.
 * Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
 */
export function backoffMs(backoff: Backoff, attempt: number, rng: Rng): number {
  const cap = Math.min(backoff.maxMs, backoff.firstMs * 2 ** Math.min(attempt, 30));
  return Math.max(Math.floor(backoff.firstMs / 8), Math.floor(rng.next() * cap));
}
