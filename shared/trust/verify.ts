/**
 * The one pipeline that everything signed goes through, in this order, each step with its own refusal: envelope well-formed →
 * size → type → signatures by keys of the current root in the needed role, counted by distinct public key → strict parse →
 * fleet. Nothing of a payload is looked at before its signatures were counted.
 */
import type * as z from "zod/mini";
import type { FleetId, KeyId } from "../core/ids.ts";
import { type Envelope, openEnvelope, type OpenedEnvelope, pae } from "./envelope.ts";
import { isSafePoint, keyIdOf, readPublicKey, spellKey, type VerifyAside, verifySignature, verifySignatureAside } from "./keys.ts";
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
  /** Of `publicKey`, where it is known already. */
  readonly keyId?: KeyId;
  readonly schema: z.ZodMiniType<T>;
}

/** Signed by this one key: a host's own, or a grant's token. The caller compares fleet and host. */
export function verifyByKey<T>(ask: ByKey<T>): Verdict<Verified<T>> {
  const claim = openByKey(ask);
  if (!claim.ok) return claim;
  const { signed, signatures } = claim.value;
  return readByKey(
    ask,
    claim.value,
    signatures.every((signature) => verifySignature(ask.publicKey, signed, signature)),
  );
}

/** The same, its signatures looked at beside the event loop: for whoever takes many at once. */
export async function verifyByKeyAside<T>(ask: ByKey<T>, verify: VerifyAside): Promise<Verdict<Verified<T>>> {
  const claim = openByKey(ask);
  if (!claim.ok) return claim;
  const { signed, signatures } = claim.value;
  for (const signature of signatures) {
    // Nearly always there is one.
    if (!(await verifySignatureAside(ask.publicKey, signed, signature, verify))) return readByKey(ask, claim.value, false);
  }
  return readByKey(ask, claim.value, true);
}

interface ClaimByKey {
  readonly keyId: KeyId;
  readonly payload: Uint8Array;
  readonly signed: Uint8Array;
  /** All that name the key; at least one. */
  readonly signatures: readonly Uint8Array[];
}

function openByKey({ envelope, type, publicKey, keyId = keyIdOf(publicKey) }: Omit<ByKey<unknown>, "schema">): Verdict<ClaimByKey> {
  const opened = openEnvelope(envelope, type);
  if (!opened.ok) return opened;
  const { payload, signatures } = opened.value;
  // It came from a root or a certificate, where it was held to the whole filter (`checkPublicKey`) once: that it is a point of the curve costs
  // more than the signature itself, and no signature verifies by one that is not.
  if (!isSafePoint(publicKey)) return refuse("key_unsafe", "the Ed25519 key is not canonical or is of low order");
  const mine = signatures.filter((signature) => signature.keyId === keyId).map(({ signature }) => signature);
  if (mine.length === 0) return refuse("key_unknown", `no signature by ${keyId}`);
  return accept({ keyId, payload, signed: pae(payloadType(type), payload), signatures: mine });
}

function readByKey<T>({ schema, type }: ByKey<T>, { keyId, payload }: ClaimByKey, isSigned: boolean): Verdict<Verified<T>> {
  if (!isSigned) return refuse("signature_bad", `by ${keyId}`);
  const parsed = parseStrict(schema, payload, type);
  return parsed.ok ? accept({ value: parsed.value, payload, signers: [keyId] }) : parsed;
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
