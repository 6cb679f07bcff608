import * as z from "zod/mini";
import { counter, envelope, fleetId, name, opaqueId, sha256Hex, text, wallMs } from "../fields.ts";

/** GET /api/v1/roots → every root document in order. POST { envelope } takes the next one → 201 `one("Fleet", fleetItem)`. */
export const rootList = z.object({ apiVersion: z.literal("felhom/v1"), kind: z.literal("RootList"), items: z.array(envelope) });
export const envelopeUpload = z.strictObject({ envelope });
/** What POST /api/v1/setup and POST /api/v1/roots answer with. */
export const fleetItem = z.object({ fleet_id: fleetId, fleet_name: name, root_version: counter });
export type FleetItem = z.infer<typeof fleetItem>;

/**
 * GET /api/v1/grants → `page("GrantList", grantItem)`. POST { envelope } → 201 `one("Grant", grantItem)`.
 * POST /api/v1/grants/{grant_id}/revoke (no body) → 200 `one("Grant", grantItem)`.
 */
export const grantItem = z.object({ grant_id: opaqueId, envelope, uses: counter, used: counter, revoked: z.boolean(), created_at: wallMs, expires_at: wallMs });
export type GrantItem = z.infer<typeof grantItem>;

/**
 * GET /api/v1/bundles → `page("BundleList", bundleItem)`, newest first; GET /api/v1/bundles/{version} → `one("Bundle", bundleDetail)`.
 * POST /api/v1/bundles { envelope } → 201 `one("Bundle", bundleItem)`; 422 `blob_missing` while a named blob is not stored.
 */
export const bundleItem = z.object({
  version: counter,
  created_at: wallMs,
  expires_at: wallMs,
  message: text(512),
  files: counter,
  bytes: counter,
  signers: z.array(text(64)),
  received_at: wallMs,
  hosts_in_force: counter,
});
export type BundleItem = z.infer<typeof bundleItem>;
export const bundleDetail = z.object({ ...bundleItem.shape, envelope });
export type BundleDetail = z.infer<typeof bundleDetail>;

/** POST /api/v1/blobs/missing → which of these the hub has not; PUT /api/v1/blobs/{sha256} (application/octet-stream) → 201 or 200; GET → its bytes. */
export const blobsMissingRequest = z.strictObject({ sha256: z.array(sha256Hex).check(z.maxLength(20_000)) });
export const blobsMissingReply = z.object({ missing: z.array(sha256Hex) });

/**
 * One thing that happened. `seq` orders; `data` is flat. Kinds are closed in `EVENT_KINDS`. GET /api/v1/events → `page("EventList",
 * eventItem)`: newest first, or oldest first after `since=<seq>`; `kind=a,b`, `host=<host id>`. GET /api/v1/events/stream with the same
 * filters → server-sent events: `id:` is the seq, `event:` the kind, `data:` one eventItem; resumes after `Last-Event-ID` or `since`, else starts with what comes next.
 * Every stream of the API begins with `event: opened`, whose `id:` is the sequence that it goes on after: another than was asked for says that there is a gap.
 */
export const STREAM_OPENING = "opened";
export const EVENT_KINDS = [
  "host.enroll-requested",
  "host.approved",
  "host.rejected",
  "host.revoked",
  "host.relabelled",
  "host.stale",
  "host.down",
  "host.recovered",
  "host.cloned",
  "host.rolled-back",
  "host.changed",
  "host.drifted",
  "host.failed",
  "host.degraded",
  "host.converged",
  "host.spec-edited",
  "bundle.published",
  "root.rotated",
  "grant.created",
  "grant.revoked",
  "op.drafted",
  "op.queued",
  "op.stopped",
  "op.failed",
  "op.refused",
  "op.finished",
  "hub.started",
  "hub.restored",
  "hub.limit-hit",
  "agent.event",
] as const;
export const eventItem = z.object({
  seq: counter,
  at: wallMs,
  kind: z.enum(EVENT_KINDS),
  host_id: z.nullable(text(32)),
  host_name: z.nullable(name),
  data: z.record(text(64), z.union([text(2_048), z.number(), z.boolean(), z.null()])),
});
export type EventItem = z.infer<typeof eventItem>;

/** GET /api/v1/audit → `page("AuditList", auditItem)`, newest first; GET /api/v1/audit/verification → `one("AuditVerification", auditVerification)`. Append-only; every mutation has exactly one row. `hash` chains rows: SHA-256 over the previous hash and this row's fields. */
export const auditItem = z.object({
  seq: counter,
  at: wallMs,
  actor: text(128),
  from: text(64),
  action: text(64),
  target: text(128),
  outcome: text(64),
  data: text(4_096),
  hash: sha256Hex,
});
export type AuditItem = z.infer<typeof auditItem>;

/** The hub walked its chain: from `anchor` (what was pruned; sequence 0 and zeros at first) to `head`. Remember heads elsewhere: a hub that rewrites everything can only be caught by one. */
export const auditVerification = z.object({
  whole: z.boolean(),
  rows: counter,
  anchor: z.object({ seq: counter, hash: sha256Hex }),
  head: z.nullable(z.object({ seq: counter, hash: sha256Hex })),
  broken_seq: z.nullable(counter),
  because: z.nullable(z.enum(["gap", "hash"])),
});
export type AuditVerification = z.infer<typeof auditVerification>;

/** GET /api/v1/status → `one("Status", hubStatus)` */
export const hubStatus = z.object({
  version: text(64),
  fleet_id: z.nullable(text(32)),
  fleet_name: z.nullable(text(64)),
  root_version: counter,
  hub_epoch: counter,
  started_at: wallMs,
  now: wallMs,
  bundle: counter,
  hosts: z.object({ total: counter, up: counter, stale: counter, down: counter, never: counter, pending: counter, revoked: counter, attention: counter }),
  held_syncs: counter,
  /** Ops that are not over: by kind, how many wait for signatures and how many for answers. */
  ops: z.optional(z.object({ active: counter, unsigned: counter, kinds: z.array(z.object({ kind: text(64), active: counter, unsigned: counter })) })),
  database: z.object({ bytes: counter, schema: counter, last_backup_at: z.nullable(wallMs) }),
  checks: z.array(z.object({ name: text(64), is: z.enum(["healthy", "degraded", "failed", "unknown"]), because: z.nullable(text(512)) })),
});
export type HubStatus = z.infer<typeof hubStatus>;
