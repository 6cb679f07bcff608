import * as z from "zod/mini";
import { counter, hostId, wallMs } from "./fields.ts";
import { NATS_URL_PATTERN, NATS_URLS_MAX } from "./nats-urls.ts";

const daily = z.string().check(z.regex(/^([01]\d|2[0-3]):[0-5]\d$/));
/** `days` are 0 (Sunday) … 6; `from` and `to` are local wall-clock times of the box; a window may pass midnight. */
export const window = z.strictObject({
  days: z.array(z.int().check(z.minimum(0), z.maximum(6))).check(z.minLength(1), z.maxLength(7)),
  from: daily,
  to: daily,
});
export type Window = z.infer<typeof window>;

/**
 * A host's desired spec: small, declarative, bounded. It comes through the hub unsigned, so nothing in it can be code, keys
 * or trust, and the agent clamps each field to its own limits.
 */
export const hostSpec = z.object({
  v: z.literal(1),
  host_id: hostId,
  generation: counter,
  mode: z.enum(["enforce", "monitor"]),
  /** Absent: not paused. The agent accepts at most 30 days ahead. */
  paused_until: z.optional(wallMs),
  /** Seconds between two runs: 60 … 86 400. */
  interval_s: z.optional(z.int().check(z.minimum(60), z.maximum(86_400))),
  fetch_windows: z.optional(z.array(window).check(z.maxLength(32))),
  apply_windows: z.optional(z.array(window).check(z.maxLength(32))),
  /** The box leaves the fleet. Destructive: it waits for a signed `spec.apply`. */
  retire: z.optional(z.boolean()),
  /** Present: the box attaches to NATS beside its sync. Without `urls` to the servers that the hub names. */
  nats: z.optional(z.object({ urls: z.optional(z.array(z.string().check(z.regex(NATS_URL_PATTERN))).check(z.minLength(1), z.maxLength(NATS_URLS_MAX))) })),
});
export type HostSpec = z.infer<typeof hostSpec>;
