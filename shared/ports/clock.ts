/** Time as an argument. Wall time orders documents and windows; monotonic time measures waits. They never mix. */
export interface Clock {
  /** Milliseconds since the Unix epoch, as this machine believes; may jump either way. */
  wallMs(): number;
  /** Milliseconds since an arbitrary start of this boot or process; never goes back. */
  monoMs(): number;
  /** Resolves after `ms` (clamped to 0 … 2^31-1), or at once when `stop` aborts. It never rejects: callers look at `stop.aborted`. */
  sleep(ms: number, stop: AbortSignal): Promise<void>;
}
