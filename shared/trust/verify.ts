/**
 * The one pipeline that everything signed goes through, in this order, each step with its own refusal: envelope well-formed →
 * size → type → signatures by keys of the current root in the needed role, counted by distinct public key → strict parse →
 * fleet. Nothing of a payload is looked at before its signatures were counted.
 */
import type * as z from "zod/mini";
import type { FleetId, KeyId } from "../core/ids.ts";
import { type Envelope, openEnvelope, type OpenedEnvelope, pae } from "./envelope.ts";
import { checkPublicKey, keyIdOf, readPublicKey, spellKey, verifySignature } from "./keys.ts";
import { type PayloadType, payloadType, type Role, type RootPayload } from "./payloads.ts";
import { parseStrict } from "./strict-json.ts";
import { accept, refuse, type Verdict } from "./verdict.ts";

export interface Verified<T> {
  readonly value: T;
  /** The exact bytes that were signed. */
  readonly payload: Uint8Array;
  /** Whose signatures counted. */
  readonly signers: readonly KeyId[];
}

export interface ByRole<T> {
  readonly envelope: Envelope;
  readonly type: PayloadType;
  /** The current root: `TrustedRoot` fits. */
  readonly root: { readonly payload: RootPayload };
  readonly role: Role;
  readonly schema: z.ZodMiniType<T>;
}

export function verifyByRole<T extends { readonly fleet_id: FleetId }>({ envelope, type, root, role, schema }: ByRole<T>): Verdict<Verified<T>> {
  const opened = openEnvelope(envelope, type);
  if (!opened.ok) return opened;
  const signers = countSigners(opened.value, type, root.payload, role);
  if (!signers.ok) return signers;
  const parsed = parseStrict(schema, opened.value.payload, type);
  if (!parsed.ok) return parsed;
  if (parsed.value.fleet_id !== root.payload.fleet_id) return refuse("fleet_mismatch", `signed for ${parsed.value.fleet_id}, this is ${root.payload.fleet_id}`);
  return accept({ value: parsed.value, payload: opened.value.payload, signers: signers.value });
}

export interface ByKey<T> {
  readonly envelope: Envelope;
  readonly type: PayloadType;
  readonly publicKey: Uint8Array;
  readonly schema: z.ZodMiniType<T>;
}

/** Signed by this one key: a host's own, or a grant's token. The caller compares fleet and host. */
export function verifyByKey<T>({ envelope, type, publicKey, schema }: ByKey<T>): Verdict<Verified<T>> {
  const opened = openEnvelope(envelope, type);
  if (!opened.ok) return opened;
  const safe = checkPublicKey(publicKey);
  if (!safe.ok) return safe;
  const keyId = keyIdOf(publicKey);
  const mine = opened.value.signatures.filter((signature) => signature.keyId === keyId);
  if (mine.length === 0) return refuse("key_unknown", `no signature by ${keyId}`);
  const signed = pae(payloadType(type), opened.value.payload);
  if (!mine.every(({ signature }) => verifySignature(publicKey, signed, signature))) return refuse("signature_bad", `by ${keyId}`);
  const parsed = parseStrict(schema, opened.value.payload, type);
  return parsed.ok ? accept({ value: parsed.value, payload: opened.value.payload, signers: [keyId] }) : parsed;
}

/**
 * Signatures by keys outside the role are ignored (a root's next version carries both generations); one bad signature by a key
 * inside it refuses the whole, because somebody altered something. Two signatures by one public key count once.
 */
export function countSigners(opened: OpenedEnvelope, type: PayloadType, root: RootPayload, role: Role): Verdict<readonly KeyId[]> {
  const { keys, threshold } = root.roles[role];
  const signed = pae(payloadType(type), opened.payload);
  const counted = new Map<string, KeyId>();
  for (const { keyId, signature } of opened.signatures) {
    const listed = keys.find((key) => key === keyId);
    const entry = listed !== undefined && Object.hasOwn(root.keys, listed) ? root.keys[listed] : undefined;
    if (listed === undefined || entry === undefined) continue;
    const publicKey = readPublicKey(entry.public);
    if (!publicKey.ok) return publicKey;
    if (!verifySignature(publicKey.value, signed, signature)) return refuse("signature_bad", `by ${listed}`);
    counted.set(spellKey(publicKey.value), listed);
  }
  if (counted.size === 0) return refuse("key_unknown", `no signature by a key with role ${role}`);
  if (counted.size < threshold) return refuse("threshold_not_met", `${counted.size} of ${threshold} for role ${role}`);
  return accept([...counted.values()]);
}
