/**
 * When is a host stale, when down? Silence counts from the later of two instants: when the host was last heard, and since when the
 * hub itself has been listening without a gap. So a hub that was off, stalled or stopped for an hour declares nobody dead for
 * its own absence: everyone gets the full time again. All of it on monotonic time; a wall clock may jump.
 */
export type Contact = "never" | "up" | "stale" | "down";

export interface LivenessLimits {
  readonly staleMs: number;
  readonly downMs: number;
  readonly checkMs: number;
}

/** The contact that this silence means. A host never heard of stays `never`: it cannot be lost. */
export function decideContact(contact: Contact, silentMs: number, limits: LivenessLimits): Contact {
  switch (contact) {
    case "never":
      return "never";
    case "up":
    case "stale":
    case "down":
      // `down` comes back by a sync only, never by arithmetic.
      if (contact === "down" || silentMs >= limits.downMs) return "down";
      return contact === "stale" || silentMs >= limits.staleMs ? "stale" : "up";
  }
}

export function silentMs(heardMonoMs: number, listeningSinceMonoMs: number, nowMonoMs: number): number {
  return Math.max(0, nowMonoMs - Math.max(heardMonoMs, listeningSinceMonoMs));
}

/** A check that comes this late means that the hub itself was not listening. */
export const STALL_FACTOR = 2;

/** Since when the hub has been listening, as seen by a check at `nowMonoMs` whose predecessor ran at `lastCheckMonoMs`. */
export function listeningSince(since: number, lastCheckMonoMs: number, nowMonoMs: number, limits: LivenessLimits): number {
  return nowMonoMs - lastCheckMonoMs > limits.checkMs * STALL_FACTOR ? nowMonoMs : since;
}
