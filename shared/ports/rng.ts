/** Seeded randomness for jitter, sampling and simulation. Never for keys or tokens: those come from `Crypto`. */
export interface Rng {
  /** A float in [0, 1). */
  next(): number;
  /** An integer in [0, below). `below` is at least 1. */
  int(below: number): number;
  /** An independent stream, fixed by this stream's seed and the label, whatever was drawn from this one before. */
  fork(label: string): Rng;
}
