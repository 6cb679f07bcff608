/** What the agent says of itself on its local socket: `felhom status`, `felhom doctor` and the watchdog read it. Times are wall-clock milliseconds. */
import * as z from "zod/mini";
import { counter, text, wallMs } from "../../../shared/protocol/fields.ts";
import { convergeSummary } from "../worker/messages.ts";

export const linkStatus = z.object({
  is: z.enum(["not_enrolled", "starting", "connected", "offline", "refused", "revoked", "unknown_to_hub"]),
  because: z.optional(text(256)),
  url: z.optional(text(512)),
  sinceMs: z.optional(wallMs),
  lastSyncMs: z.optional(wallMs),
  failures: counter,
  nextInMs: z.optional(z.number()),
  /** The oldest protocol the hub still speaks, when that is above ours. */
  tooOldFor: z.optional(counter),
});
export type LinkStatus = z.infer<typeof linkStatus>;

export const opsStatus = z.object({
  /** Of the ledger: one more with every op. */
  generation: counter,
  /** The record of ops can't be believed: what a signed recovery has to name. */
  incident: z.optional(z.object({ is: text(16), id: text(64) })),
  running: z.array(z.object({ id: text(32), kind: text(64) })),
  waiting: counter,
  /** Head of the hash-chained log of ops. */
  log: z.optional(z.object({ seq: counter, hash: text(64) })),
});
export type OpsStatus = z.infer<typeof opsStatus>;

export const natsStatus = z.object({
  is: z.enum(["attached", "detached"]),
  because: z.optional(text(256)),
  url: z.optional(text(512)),
  server: z.optional(text(256)),
  sinceMs: z.optional(wallMs),
});
export type NatsStatus = z.infer<typeof natsStatus>;

export const agentStatus = z.object({
  v: z.literal(1),
  version: text(64),
  protocol: counter,
  pid: counter,
  run: counter,
  startedMs: wallMs,
  rssBytes: counter,
  dataDir: text(4_096),
  host: z.optional(z.object({ id: text(64), name: z.optional(text(64)), labels: z.optional(z.record(text(64), text(256))), fleet: text(64) })),
  link: linkStatus,
  /** Only where the spec names NATS. */
  nats: z.optional(natsStatus),
  desired: z.object({
    source: z.enum(["database", "snapshot", "none"]),
    notes: z.array(text(1_024)),
    root: counter,
    rootExpiresMs: z.optional(wallMs),
    cert: counter,
    bundle: counter,
    bundleCreatedMs: z.optional(wallMs),
    bundleExpiresMs: z.optional(wallMs),
    candidate: counter,
    missingBlobs: counter,
    generation: counter,
    mode: z.enum(["enforce", "monitor", "paused"]),
    pausedUntilMs: z.optional(wallMs),
    /** Destructive differences of the spec that wait for a signed spec.apply. */
    awaiting: z.optional(z.object({ generation: counter, fields: z.array(text(64)) })),
  }),
  converge: z.object({ running: z.optional(text(16)), last: z.optional(convergeSummary), failure: z.optional(text(1_024)), nextInMs: z.optional(z.number()) }),
  ops: z.optional(opsStatus),
  outbox: z.object({ rows: counter, bytes: counter, dropped: counter, parked: counter }),
  checks: z.array(z.object({ name: text(64), is: text(16), because: z.optional(text(1_024)) })),
});
export type AgentStatus = z.infer<typeof agentStatus>;
