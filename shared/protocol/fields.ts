import * as z from "zod/mini";
import { FLEET_ID, HOST_ID, KEY_ID, NAME, OPAQUE_ID, SHA256_HEX } from "../core/ids.ts";
import type { FleetId, HostId, KeyId, Sha256 } from "../core/ids.ts";

/** The field schemas that messages and signed payloads share. Everything has a bound; ids have an alphabet. */

const branded = <T extends string>(pattern: RegExp) => z.custom<T>((value) => typeof value === "string" && pattern.test(value));

export const fleetId = branded<FleetId>(FLEET_ID);
export const hostId = branded<HostId>(HOST_ID);
export const keyId = branded<KeyId>(KEY_ID);
export const sha256Hex = branded<Sha256>(SHA256_HEX);
export const name = z.string().check(z.regex(NAME));
export const opaqueId = z.string().check(z.regex(OPAQUE_ID));
/** 32 raw bytes in base64url: public keys, nonces. */
export const bytes32 = z.string().check(z.regex(/^[A-Za-z0-9_-]{43}$/));
/** 64 raw bytes in base64url: Ed25519 signatures outside envelopes. */
export const bytes64 = z.string().check(z.regex(/^[A-Za-z0-9_-]{86}$/));
/** Wall time in whole milliseconds since the Unix epoch; below the year 2200. */
export const wallMs = z.int().check(z.minimum(0), z.maximum(7_258_118_400_000));
/** A number that only grows: versions, generations, serials, sequences. */
export const counter = z.int().check(z.minimum(0), z.maximum(Number.MAX_SAFE_INTEGER));
export const text = (max: number) => z.string().check(z.maxLength(max));
export const labels = z.record(name, text(256)).check(z.refine((map) => Object.keys(map).length <= 64, "at most 64 labels"));

/** A DSSE envelope (github.com/secure-systems-lab/dsse, envelope.md) as JSON. Payload and signatures are standard base64. */
export const envelope = z.object({
  payload: z.string().check(z.maxLength(8 * 1024 * 1024)),
  payloadType: text(128),
  signatures: z.array(z.object({ keyid: text(64), sig: text(128) })).check(z.minLength(1), z.maxLength(16)),
});
export type Envelope = z.infer<typeof envelope>;
