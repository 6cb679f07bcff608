import * as z from "zod/mini";
import { counter, envelope, name, opaqueId, sha256Hex, text, wallMs } from "../fields.ts";

/** GET /api/v1/roots → every root document in order. POST takes the next one. */
export const rootList = z.object({ apiVersion: z.literal("felhom/v1"), kind: z.literal("RootList"), items: z.array(envelope) });
export const envelopeUpload = z.strictObject({ envelope });

export const grantItem = z.object({ grant_id: opaqueId, envelope, uses: counter, used: counter, revoked: z.boolean(), created_at: wallMs, expires_at: wallMs });
export type GrantItem = z.infer<typeof grantItem>;

/** GET /api/v1/bundles, newest first; GET /api/v1/bundles/{version} → BundleDetail. */
export const bundleItem = z.object({ version: counter, created_at: wallMs, expires_at: wallMs, message: text(512), files: counter, bytes: counter, signers: z.array(text(64)), received_at: wallMs, hosts_in_force: counter });
export type BundleItem = z.infer<typeof bundleItem>;
export const bundleDetail = z.object({ ...bundleItem.shape, envelope });
export type BundleDetail = z.infer<typeof bundleDetail>;

/** POST /api/v1/blobs/missing → which of these the hub has not; PUT /api/v1/blobs/{sha256} (application/octet-stream) → 201 or 200. */
export const blobsMissingRequest = z.strictObject({ sha256: z.array(sha256Hex).check(z.maxLength(20_000)) });
export const blobsMissingReply = z.object({ missing: z.array(sha256Hex) });

/** One thing that happened. `seq` orders; `data` is flat. Kinds are closed in `EVENT_KINDS`. */
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
  "hub.started",
  "hub.restored",
  "hub.limit-hit",
  "agent.event",
] as const;
export const eventItem = z.object({ seq: counter, at: wallMs, kind: z.enum(EVENT_KINDS), host_id: z.nullable(text(32)), host_name: z.nullable(name), data: z.record(text(64), z.union([text(2_048), z.number(), z.boolean(), z.null()])) });
export type EventItem = z.infer<typeof eventItem>;

/** Append-only; every mutation has exactly one row. `hash` chains rows: SHA-256 over the previous hash and this row's fields. */
export const auditItem = z.object({ seq: counter, at: wallMs, actor: text(128), from: text(64), action: text(64), target: text(128), outcome: text(64), data: text(4_096), hash: sha256Hex });
export type AuditItem = z.infer<typeof auditItem>;

/** GET /api/v1/status */
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
  database: z.object({ bytes: counter, schema: counter, last_backup_at: z.nullable(wallMs) }),
  checks: z.array(z.object({ name: text(64), is: z.enum(["healthy", "degraded", "failed", "unknown"]), because: z.nullable(text(512)) })),
});
export type HubStatus = z.infer<typeof hubStatus>;
