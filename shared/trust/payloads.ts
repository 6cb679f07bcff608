import * as z from "zod/mini";
import { bytes32, counter, fleetId, hostId, keyId, labels, name, opaqueId, sha256Hex, text, wallMs } from "../protocol/fields.ts";

/** Every signed payload: its DSSE type, its size limit, its strict schema. Unknown keys are refused inside signatures. */

export const TYPE_PREFIX = "application/vnd.felhom.";
export type PayloadType = "root" | "host-cert" | "grant" | "admission" | "bundle" | "op" | "release" | "return" | "report" | "facts";
export const payloadType = (type: PayloadType): string => `${TYPE_PREFIX}${type}+json`;

export const PAYLOAD_BYTES_MAX: Readonly<Record<PayloadType, number>> = {
  root: 64 * 1024,
  "host-cert": 16 * 1024,
  grant: 16 * 1024,
  admission: 16 * 1024,
  bundle: 4 * 1024 * 1024,
  op: 1024 * 1024,
  release: 16 * 1024,
  return: 1024 * 1024,
  report: 256 * 1024,
  facts: 128 * 1024,
};

export const ROLES = ["root", "admit", "publish", "operate", "destroy", "release"] as const;
export type Role = (typeof ROLES)[number];

const roleKeys = z.strictObject({ keys: z.array(keyId).check(z.minLength(1), z.maxLength(16)), threshold: z.int().check(z.minimum(1), z.maximum(16)) });

/** Version 1 is pinned by the SHA-256 of its payload bytes; N+1 counts with a threshold of N's and of its own root keys. */
export const rootPayload = z.strictObject({
  v: z.literal(1),
  fleet_id: fleetId,
  fleet_name: name,
  version: z.int().check(z.minimum(1), z.maximum(1_000_000)),
  created_at: wallMs,
  expires_at: wallMs,
  /** Ed25519 public keys by key id. */
  keys: z.record(text(64), z.strictObject({ public: bytes32, label: text(128) })),
  roles: z.strictObject({ root: roleKeys, admit: roleKeys, publish: roleKeys, operate: roleKeys, destroy: roleKeys, release: roleKeys }),
  /** SHA-256 of the hub's SubjectPublicKeyInfo, base64url. Old and new overlap while a hub's key is being replaced; empty: use system roots. */
  hub_pins: z.array(bytes32).check(z.maxLength(16)),
});
export type RootPayload = z.infer<typeof rootPayload>;

/** `serial` only grows per host: a relabel or re-key is a new certificate with the next serial. */
export const hostCertPayload = z.strictObject({
  v: z.literal(1),
  fleet_id: fleetId,
  host_id: hostId,
  serial: z.int().check(z.minimum(1)),
  name,
  labels,
  signing_key: bytes32,
  box_key: bytes32,
  created_at: wallMs,
});
export type HostCertPayload = z.infer<typeof hostCertPayload>;

/**
 * Unattended enrollment. The token is an Ed25519 seed that never leaves the boxes it was given to: the grant carries its
 * public key, so that the hub cannot spend a token that it sees being used.
 */
export const grantPayload = z.strictObject({
  v: z.literal(1),
  fleet_id: fleetId,
  grant_id: opaqueId,
  token_key: bytes32,
  labels,
  uses: z.int().check(z.minimum(1), z.maximum(100_000)),
  created_at: wallMs,
  expires_at: wallMs,
});
export type GrantPayload = z.infer<typeof grantPayload>;

/** Signed by a grant's token key on the box itself: binds this host's keys to the grant. Counts as a certificate of serial 0. */
export const admissionPayload = z.strictObject({
  v: z.literal(1),
  fleet_id: fleetId,
  grant_id: opaqueId,
  host_id: hostId,
  name,
  signing_key: bytes32,
  box_key: bytes32,
  created_at: wallMs,
});
export type AdmissionPayload = z.infer<typeof admissionPayload>;

/** A path inside a bundle: relative, `/`-separated, no empty, `.` or `..` component, no control bytes. */
export const BUNDLE_PATH = /^(?!.*(?:^|\/)\.{1,2}(?:\/|$))[A-Za-z0-9_@.+ -]{1,255}(?:\/[A-Za-z0-9_@.+ -]{1,255}){0,31}$/;

/** `version` only grows, by at most `BUNDLE_STEP_MAX`. The file list is the whole set: what is not listed is not there. */
export const bundlePayload = z.strictObject({
  v: z.literal(1),
  fleet_id: fleetId,
  version: z.int().check(z.minimum(1)),
  created_at: wallMs,
  expires_at: wallMs,
  message: text(512),
  files: z
    .array(
      z.strictObject({
        path: z.string().check(z.regex(BUNDLE_PATH), z.maxLength(512)),
        mode: z.int().check(z.minimum(0), z.maximum(0o755)),
        sha256: sha256Hex,
        size: z.int().check(z.minimum(0), z.maximum(1024 ** 3)),
      }),
    )
    .check(z.maxLength(20_000)),
  /** By host id: base64 of a libsodium sealed box to that host's box key; inside, `sealedSecrets`. */
  secrets: z.record(hostId, text(96 * 1024)),
});
export type BundlePayload = z.infer<typeof bundlePayload>;
export const BUNDLE_STEP_MAX = 1_000_000;

/** Inside a sealed box: bound to host and bundle, so that a blob cannot be moved to another host, name or version. */
export const sealedSecrets = z.strictObject({ v: z.literal(1), fleet_id: fleetId, host_id: hostId, bundle: counter, secrets: z.record(name, text(32 * 1024)) });
export type SealedSecrets = z.infer<typeof sealedSecrets>;

export const opId = z.string().check(z.regex(/^o-[a-z2-7]{16}$/));
/** One box, one guest of a box, or an expression that each box decides for itself. */
export const opTarget = z.union([
  z.strictObject({ host_id: hostId }),
  z.strictObject({ host_id: hostId, guest_id: name }),
  z.strictObject({ expr: z.string().check(z.minLength(1), z.maxLength(64 * 1024)) }),
]);
export type OpTarget = z.infer<typeof opTarget>;
export const OP_LIFETIME_MS_MAX = 30 * 24 * 3_600_000;
export const OP_FUTURE_MS_MAX = 5 * 60_000;

/** One signed instruction. `params` is checked by the kind's own strict schema (shared/ops). Lifetime at most 30 days. */
export const opPayload = z.strictObject({
  v: z.literal(1),
  fleet_id: fleetId,
  id: opId,
  kind: z.string().check(z.regex(/^[a-z]+(?:\.[a-z]+(?:-[a-z]+)*)?$/), z.maxLength(64)),
  target: opTarget,
  params: z.record(text(64), z.unknown()),
  nonce: bytes32,
  issued_at: wallMs,
  expires_at: wallMs,
  reason: z.optional(text(512)),
});
export type OpPayload = z.infer<typeof opPayload>;

/**
 * One host's signed answer, or a part of it. `part` counts from 0 per op and host; every state but `running` is final, and there is
 * exactly one final record. `op_sha256` is over the op's payload bytes: an answer cannot be moved to another op.
 */
export const returnPayload = z.strictObject({
  v: z.literal(1),
  fleet_id: fleetId,
  host_id: hostId,
  op_id: opId,
  op_sha256: sha256Hex,
  part: counter,
  state: z.enum(["running", "done", "failed", "refused", "busy", "interrupted", "cancelled", "expired"]),
  at: wallMs,
  /** Why, when refused, failed or interrupted: a refusal or fault code. */
  code: z.optional(text(64)),
  detail: z.optional(text(2_048)),
  exit: z.optional(z.nullable(z.int())),
  signal: z.optional(text(16)),
  duration_ms: z.optional(counter),
  /** Base64 of what the program wrote since the part before. */
  stdout: z.optional(text(192 * 1024)),
  stderr: z.optional(text(192 * 1024)),
  /** Bytes beyond the cap were dropped. */
  truncated: z.optional(z.boolean()),
  /** The kind's own result. */
  data: z.optional(z.unknown()),
  /** Head of the box's hash-chained log of ops after this entry. */
  log: z.optional(z.strictObject({ seq: counter, hash: sha256Hex })),
});
export type ReturnPayload = z.infer<typeof returnPayload>;
