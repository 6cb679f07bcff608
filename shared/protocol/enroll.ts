import * as z from "zod/mini";
import { bytes32, bytes64, counter, envelope, hostId, name, opaqueId, text, wallMs } from "./fields.ts";

/** POST /enroll/v1/challenges → 201. No credential; no disk write. */
export const challengeReply = z.object({ v: counter, challenge_id: opaqueId, nonce: bytes32, expires_at: wallMs, hub_time: wallMs });
export type ChallengeReply = z.infer<typeof challengeReply>;

/**
 * What a box says when it asks to be enrolled. The box signs these exact UTF-8 bytes (as the `statement` string of the
 * request), so hub and operator verify what was sent, not a re-encoding. `purpose` keeps the key from signing anything else.
 */
export const enrollStatement = z.strictObject({
  v: z.literal(1),
  purpose: z.literal("felhom enroll"),
  challenge_id: opaqueId,
  nonce: bytes32,
  /** What the box calls itself; the certificate's name is the operator's choice. */
  name,
  signing_key: bytes32,
  box_key: bytes32,
  protocol: counter,
  agent_version: text(64),
  facts: z.record(name, text(256)),
  signed_at: wallMs,
});
export type EnrollStatement = z.infer<typeof enrollStatement>;

/** POST /enroll/v1/requests. `admission` is present when a grant token is used: an envelope of type `admission`, signed by the token's key. */
export const enrollRequest = z.object({ v: counter, statement: text(16_384), signature: bytes64, admission: z.optional(envelope) });
export type EnrollRequest = z.infer<typeof enrollRequest>;

export const enrollAccepted = z.object({ v: counter, request_id: opaqueId, host_id: hostId, words: z.array(text(16)), poll_ms: counter });
export type EnrollAccepted = z.infer<typeof enrollAccepted>;

/**
 * GET /enroll/v1/requests/{id}, with headers `felhom-signed-at` (ms) and `felhom-signature` (base64url Ed25519 by the box's
 * signing key over `felhom enroll poll\n{id}\n{signed-at}`).
 */
export const enrollState = z.discriminatedUnion("state", [
  z.object({ v: counter, state: z.literal("pending"), words: z.array(text(16)), poll_ms: counter }),
  z.object({
    v: counter,
    state: z.literal("approved"),
    /** Type `host-cert`, or absent when a grant admits this host. */
    host_cert: z.optional(envelope),
    /** Type `grant` and `admission`, when a grant admits this host. */
    grant: z.optional(envelope),
    admission: z.optional(envelope),
    /** libsodium sealed box to the box key, base64: UTF-8 JSON `{ "credential": "…" }`. */
    sealed_credential: text(1_024),
    /** Root documents in order from version 1. */
    roots: z.array(envelope).check(z.maxLength(1_000)),
  }),
  z.object({ v: counter, state: z.literal("rejected"), reason: z.optional(text(256)) }),
  z.object({ v: counter, state: z.literal("revoked") }),
]);
export type EnrollState = z.infer<typeof enrollState>;
