/**
 * What the resident asks of a worker and what comes back: JSON over stdin and stdout, one request per process. Everything that
 * verifies, stages, renders, executes or signs happens on the far side, so that the resident stays small and a state's
 * misbehaviour cannot take it down. Both sides are one binary; what comes back is checked all the same, because a killed or
 * failing worker leaves half a text.
 */
import * as z from "zod/mini";
import { counter, envelope, hostId, fleetId, labels, text, wallMs } from "../../../shared/protocol/fields.ts";
import { report } from "../../../shared/protocol/report.ts";
import { hostSpec } from "../../../shared/protocol/spec.ts";
import type { Trigger } from "../schedule/schedule.ts";

const trigger = z.enum(["boot", "interval", "bundle", "spec", "demand", "retry"]) satisfies z.ZodMiniType<Trigger>;
/** The part of the settings that a worker needs. */
export const workerSettings = z.object({
  dataDir: text(4_096),
  bundlesKept: counter,
  diskReserveBytes: counter,
  factsDirs: z.array(text(4_096)),
});
export type WorkerSettings = z.infer<typeof workerSettings>;

/** Destructive differences by field: what is in force and what is wanted, as JSON text. */
export const heldFields = z.record(text(64), z.object({ from: text(16 * 1_024), to: text(16 * 1_024) }));

export const workerRequest = z.discriminatedUnion("op", [
  /** What is held, where it was read from, which blobs are missing. */
  z.object({ op: z.literal("status"), settings: workerSettings }),
  /** Verify and keep what a hub sent. Bytes of a bundle come later. */
  z.object({
    op: z.literal("adopt"),
    settings: workerSettings,
    roots: z.array(envelope),
    cert: z.optional(envelope),
    bundle: z.optional(envelope),
    spec: z.optional(hostSpec),
  }),
  /** Every blob of the candidate is here: verify each byte, build the tree, swap it in. */
  z.object({ op: z.literal("stage"), settings: workerSettings }),
  z.object({
    op: z.literal("converge"),
    settings: workerSettings,
    trigger,
    /** The last report that was queued: an equal one is not sent again before its time. */
    reported: z.object({ digest: text(64), atMs: wallMs }),
    facts: z.object({ digest: text(64), atMs: wallMs }),
    /** The resident moved a damaged database aside since the last run. */
    databaseLost: z.boolean(),
    /** A signed op asked for it. */
    isForced: z.optional(z.boolean()),
  }),
  /** The credentials for NATS, as the hub sealed them. */
  z.object({ op: z.literal("unseal"), settings: workerSettings, sealed: text(64 * 1_024) }),
  /** What a run would do now. */
  z.object({ op: z.literal("plan"), settings: workerSettings }),
  /** A destructive part of the spec that a signed op allows. */
  z.object({ op: z.literal("apply-spec"), settings: workerSettings, generation: counter, fields: heldFields }),
]);
export type WorkerRequest = z.infer<typeof workerRequest>;

export const blobRef = z.object({ sha256: text(64), size: counter });
export type BlobRef = z.infer<typeof blobRef>;

/** What the box holds, verified just now. Versions are 0 for nothing. */
export const held = z.object({
  /** Where it was read from; `none` before an enrollment or when both copies are damaged. */
  source: z.enum(["database", "snapshot", "none"]),
  /** What was found wrong with the copies, in words. */
  notes: z.array(text(1_024)),
  hostId: z.optional(hostId),
  fleetId: z.optional(fleetId),
  name: z.optional(text(64)),
  labels: z.optional(labels),
  root: counter,
  rootExpiresAt: z.optional(wallMs),
  cert: counter,
  bundle: counter,
  bundleCreatedAt: z.optional(wallMs),
  bundleExpiresAt: z.optional(wallMs),
  /** A newer bundle whose manifest is verified and whose files are not all here. */
  candidate: counter,
  missing: z.array(blobRef),
  spec: z.optional(hostSpec),
  /** Of this generation: what waits for a signature while the rest is in force. */
  awaiting: z.optional(z.object({ generation: counter, fields: heldFields })),
  /** SHA-256 of hub keys that the current root names; empty: the join code's. */
  pins: z.array(text(64)),
});
export type Held = z.infer<typeof held>;

export const refusedDocument = z.object({
  what: z.enum(["root", "cert", "bundle", "spec", "identity"]),
  version: counter,
  code: text(64),
  detail: text(1_024),
});
export type RefusedDocument = z.infer<typeof refusedDocument>;

export const convergeSummary = z.object({
  trigger,
  atMs: wallMs,
  durationMs: counter,
  mode: z.enum(["enforce", "monitor", "paused"]),
  source: z.enum(["database", "snapshot"]),
  /** Which bundle was enforced; 0 for none. */
  bundle: counter,
  counts: report.shape.counts,
  refused: z.optional(z.object({ bundle: counter, code: text(64), because: text(1_024) })),
  /** Outcomes worth a person's look: failed ones first, at most 50. */
  notable: z.array(z.object({ id: text(256), outcome: text(16), reason: text(512) })),
  degraded: z.optional(text(1_024)),
});
export type ConvergeSummary = z.infer<typeof convergeSummary>;

export const signedMessage = z.object({ digest: text(64), envelope });

export const workerResult = z.discriminatedUnion("op", [
  z.object({ op: z.literal("status"), held }),
  z.object({ op: z.literal("adopt"), held, advanced: z.boolean(), newSpec: z.boolean(), refused: z.array(refusedDocument) }),
  z.object({ op: z.literal("stage"), held, staged: z.boolean(), refused: z.array(refusedDocument) }),
  z.object({
    op: z.literal("converge"),
    held,
    summary: z.optional(convergeSummary),
    report: z.optional(signedMessage),
    facts: z.optional(signedMessage),
    metrics: z.record(text(128), z.number()),
    retryInMs: z.optional(counter),
  }),
  z.object({ op: z.literal("plan"), held, bundle: counter, text: z.string(), because: z.optional(text(1_024)) }),
  z.object({ op: z.literal("apply-spec"), held, applied: z.array(text(64)), refused: z.optional(text(1_024)) }),
  z.object({ op: z.literal("unseal"), jwt: text(16 * 1_024), seed: text(128), ca: z.optional(text(256 * 1_024)) }),
  z.object({ op: z.literal("failed"), code: text(64), because: text(2_048) }),
]);
export type WorkerResult = z.infer<typeof workerResult>;
