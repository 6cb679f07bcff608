import * as z from "zod/mini";
import { counter, envelope, hostId, labels, name, opaqueId, text, wallMs } from "../fields.ts";
import { hostSpec } from "../spec.ts";

/** `stale` and `down` are about contact; `drift`, `failed`, `degraded` come from the newest report; `unknown` is a host that has never reported. */
export const hostHealth = z.enum(["ok", "drift", "failed", "degraded", "stale", "down", "unknown", "revoked"]);
export type HostHealth = z.infer<typeof hostHealth>;

/** What the hub says of a host. The hub is a courier: everything that matters is checked by the CLI from the envelopes of `hostDetail`. */
export const hostItem = z.object({
  host_id: hostId,
  name,
  labels,
  health: hostHealth,
  contact: z.enum(["up", "stale", "down", "never"]),
  last_seen_at: z.nullable(wallMs),
  agent_version: z.nullable(text(64)),
  bundle_wanted: counter,
  bundle_in_force: z.nullable(counter),
  counts: z.nullable(z.object({ unchanged: counter, changed: counter, drifted: counter, failed: counter, skipped: counter, waiting: counter })),
  spec_generation: counter,
  mode: z.enum(["enforce", "monitor"]),
  paused_until: z.nullable(wallMs),
  note: z.nullable(text(256)),
  /** By its newest report, the box's clock was so far ahead of the hub's, or behind when negative; absent when they agree. */
  clock_off_ms: z.optional(z.int()),
  created_at: wallMs,
});
export type HostItem = z.infer<typeof hostItem>;

export const hostDetail = z.object({
  ...hostItem.shape,
  /** `host-cert`, or `grant` and `admission` of a host that a grant admitted. */
  host_cert: z.nullable(envelope),
  grant: z.nullable(envelope),
  admission: z.nullable(envelope),
  report: z.nullable(envelope),
  report_received_at: z.nullable(wallMs),
  facts: z.nullable(envelope),
  facts_received_at: z.nullable(wallMs),
  metrics: z.record(text(128), z.number()),
  spec: hostSpec,
  boot_id: z.nullable(text(64)),
  address: z.nullable(text(64)),
});
export type HostDetail = z.infer<typeof hostDetail>;

/**
 * GET /api/v1/identities → `page("HostProofList", hostProof)`, by name, revoked hosts left out; `facts=true` adds the newest signed facts. What
 * a workstation needs to know many hosts by what was signed, without asking for each. A page ends early rather than grow beyond some MiB.
 */
export const hostProof = z.object({
  host_id: hostId,
  name,
  last_seen_at: z.nullable(wallMs),
  host_cert: z.nullable(envelope),
  grant: z.nullable(envelope),
  admission: z.nullable(envelope),
  facts: z.nullable(envelope),
});
export type HostProof = z.infer<typeof hostProof>;

/**
 * GET /api/v1/hosts → `page("HostList", hostItem)`, by name; `contact=`, `health=`, `name=<glob>`, `label=<key>=<value>`, `cursor`, `limit`; ETag.
 * GET /api/v1/hosts/{id} → `one("Host", hostDetail)`. GET /api/v1/hosts/{id}/timeline → `page("EventList", eventItem)`, newest first.
 * GET /api/v1/hosts/{id}/spec → `one("Spec", hostSpec)` with ETag `"<generation>"`.
 * PUT /api/v1/hosts/{id}/spec, `if-match: "<generation>"` → 200 the same. The hub sets host id and the next generation; 428 without If-Match, 409 when it moved on.
 */
export const specEdit = z.strictObject({
  mode: z.enum(["enforce", "monitor"]),
  paused_until: z.optional(wallMs),
  interval_s: hostSpec.shape.interval_s,
  fetch_windows: hostSpec.shape.fetch_windows,
  apply_windows: hostSpec.shape.apply_windows,
  nats: hostSpec.shape.nats,
  /** Destructive: the box holds it back until a `spec.apply` for it is signed. */
  retire: hostSpec.shape.retire,
});
export type SpecEdit = z.infer<typeof specEdit>;

/** GET /api/v1/enrollments?state=pending → `page("EnrollmentList", enrollmentItem)`. The words and claims are checked by the CLI from `statement`. */
export const enrollmentItem = z.object({
  request_id: opaqueId,
  host_id: hostId,
  state: z.enum(["pending", "approved", "rejected", "revoked"]),
  /** The exact bytes the box signed, and its signature: base64url. */
  statement: text(16_384),
  signature: text(128),
  address: text(64),
  created_at: wallMs,
});
export type EnrollmentItem = z.infer<typeof enrollmentItem>;

/** POST /api/v1/enrollments/{id}/approve → 200 `one("Enrollment", enrollmentItem)`. PUT /api/v1/hosts/{id}/certificate takes the same for a relabel → 200 `one("Host", hostItem)`. */
export const approveRequest = z.strictObject({ host_cert: envelope });
/** POST /api/v1/enrollments/{id}/reject → 200 `one("Enrollment", enrollmentItem)`. */
export const rejectRequest = z.strictObject({ reason: z.optional(text(256)) });
/** POST /api/v1/hosts/{id}/revoke → 200 `one("Host", hostItem)` */
export const revokeRequest = z.strictObject({ reason: z.optional(text(256)) });
