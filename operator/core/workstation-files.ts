/** The small JSON files of the workstation's directory. Strict, versioned, bounded; unknown members are refused rather than lost. */
import * as z from "zod/mini";
import { accessRole } from "../../shared/protocol/api/login.ts";
import { bytes32, envelope, fleetId, name, sha256Hex, text, wallMs } from "../../shared/protocol/fields.ts";

export const CONTEXTS_BYTES_MAX = 256 * 1024;
export const SESSION_BYTES_MAX = 16 * 1024;
export const CHAIN_BYTES_MAX = 64 * 1024 * 1024;

export const contextsFile = z.strictObject({
  v: z.literal(1),
  current: z.nullable(name),
  contexts: z.record(name, z.strictObject({ hub_url: text(2_048), pins: z.array(bytes32).check(z.maxLength(16)), fleet_id: fleetId })),
});

export const sessionFile = z.strictObject({ v: z.literal(1), hub_url: text(2_048), token: text(128), role: accessRole, expires_at: wallMs });

/** A fleet's roots from version 1, its pin, and a next root that still lacks signatures. */
export const fleetFile = z.strictObject({
  v: z.literal(1),
  pin: sha256Hex,
  roots: z.array(envelope).check(z.minLength(1), z.maxLength(1_000)),
  pending: z.optional(envelope),
});
