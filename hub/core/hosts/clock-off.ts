/**
 * How far a box's clock is from the hub's, by a report that the box signed. Ahead is plain: nothing is received before it was made.
 * Behind is not, since a report may have waited in the box for a way to the hub: it counts only where both had one for a while.
 */
export const CLOCK_OFF_MS = 5 * 60_000;
/** In contact for this long, a box has nothing left from before. */
const DRAINED_MS = 10 * 60_000;

export interface Received {
  /** What the box's clock said. */
  readonly createdAt: number;
  readonly receivedAt: number;
  /** Since when the box could have told the hub at once. */
  readonly reachableSince: number;
}

/** Positive: the box is ahead. `undefined` when the two agree, or when nothing can be said. */
export function clockOffMs({ createdAt, receivedAt, reachableSince }: Received): number | undefined {
  const off = createdAt - receivedAt;
  if (off >= CLOCK_OFF_MS) return off;
  return off <= -CLOCK_OFF_MS && receivedAt - reachableSince >= DRAINED_MS ? off : undefined;
}
