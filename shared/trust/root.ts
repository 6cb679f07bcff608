/**
 * The root document says which keys may do what. Version 1 is pinned by the hash of its payload bytes (it is in the join code);
 * version N+1 counts when a threshold of N's root keys and a threshold of its own signed it. So lost keys and new people
 * never need a box to re-enroll. A root is never taken by its date: only the chain orders it.
 */
import type { Sha256 } from "../core/ids.ts";
import { sha256Hex } from "../core/sha256.ts";
import { sha256Hex as sha256Schema } from "../protocol/fields.ts";
import { type Envelope, openEnvelope } from "./envelope.ts";
import { keyIdOf, readPublicKey } from "./keys.ts";
import { ROLES, type RootPayload, rootPayload } from "./payloads.ts";
import { parseStrict } from "./strict-json.ts";
import { accept, refuse, type Verdict } from "./verdict.ts";
import { countSigners } from "./verify.ts";

export interface TrustedRoot {
  readonly payload: RootPayload;
  /** SHA-256 of the payload bytes, lower-case hex. */
  readonly hash: Sha256;
  readonly envelope: Envelope;
}

/** More versions than this in one chain are refused before any work is done. */
export const ROOT_CHAIN_MAX = 1_000;
export const ROOT_KEYS_MAX = 64;

export function verifyFirstRoot(envelope: Envelope, pinnedHashHex: string): Verdict<TrustedRoot> {
  const opened = openEnvelope(envelope, "root");
  if (!opened.ok) return opened;
  const hash = hashOf(opened.value.payload);
  if (hash !== pinnedHashHex) return refuse("root_hash_mismatch", `${hash.slice(0, 16)}… is not the pinned ${pinnedHashHex.slice(0, 16)}…`);
  const payload = parseStrict(rootPayload, opened.value.payload, "root");
  if (!payload.ok) return payload;
  if (payload.value.version !== 1) return refuse("version_step", `the pinned root is version ${payload.value.version}, not 1`);
  const sound = checkRoot(payload.value);
  if (!sound.ok) return sound;
  const own = countSigners(opened.value, "root", payload.value, "root");
  return own.ok ? accept({ payload: payload.value, hash, envelope }) : own;
}

export function verifyNextRoot(current: TrustedRoot, envelope: Envelope): Verdict<TrustedRoot> {
  const opened = openEnvelope(envelope, "root");
  if (!opened.ok) return opened;
  const before = countSigners(opened.value, "root", current.payload, "root");
  if (!before.ok) return before;
  const payload = parseStrict(rootPayload, opened.value.payload, "root");
  if (!payload.ok) return payload;
  const { fleet_id, version } = payload.value;
  if (fleet_id !== current.payload.fleet_id) return refuse("fleet_mismatch", `signed for ${fleet_id}, this is ${current.payload.fleet_id}`);
  if (version <= current.payload.version) return refuse("version_not_newer", `version ${version} after ${current.payload.version}`);
  if (version !== current.payload.version + 1) return refuse("version_step", `version ${version} after ${current.payload.version}`);
  const sound = checkRoot(payload.value);
  if (!sound.ok) return sound;
  const own = countSigners(opened.value, "root", payload.value, "root");
  return own.ok ? accept({ payload: payload.value, hash: hashOf(opened.value.payload), envelope }) : own;
}

/** The newest root of a chain that begins with version 1. */
export function verifyRootChain(envelopes: readonly Envelope[], pinnedHashHex: string): Verdict<TrustedRoot> {
  const [first, ...rest] = envelopes;
  if (first === undefined) return refuse("version_step", "the root chain is empty");
  const pinned = verifyFirstRoot(first, pinnedHashHex);
  return pinned.ok ? extendRootChain(pinned.value, rest) : pinned;
}

/** From a root that is held to a newer one, one step at a time. */
export function extendRootChain(current: TrustedRoot, envelopes: readonly Envelope[]): Verdict<TrustedRoot> {
  if (envelopes.length > ROOT_CHAIN_MAX) return refuse("version_step", `${envelopes.length} roots at once, at most ${ROOT_CHAIN_MAX} are allowed`);
  let newest = current;
  for (const envelope of envelopes) {
    const next = verifyNextRoot(newest, envelope);
    if (!next.ok) return next;
    newest = next.value;
  }
  return accept(newest);
}

/** Does this chain lead through the root that a join code names? Call it on a chain that was verified: there, place N is version N. */
export function chainHolds(envelopes: readonly Envelope[], named: { readonly version: number; readonly hash: string }): Verdict<true> {
  const envelope = envelopes[named.version - 1];
  if (envelope === undefined) return refuse("version_step", `the chain ends at version ${envelopes.length}, the join code knows version ${named.version}`);
  const opened = openEnvelope(envelope, "root");
  if (!opened.ok) return opened;
  return hashOf(opened.value.payload) === named.hash
    ? accept(true)
    : refuse("root_hash_mismatch", `version ${named.version} is not the one that the join code names`);
}

export function rootExpired(root: TrustedRoot, nowMs: number): boolean {
  return nowMs >= root.payload.expires_at;
}

/** What a root must be in itself: ids belong to their keys, keys are safe and listed once, and every role can reach its threshold. */
export function checkRoot(root: RootPayload): Verdict<RootPayload> {
  const entries = Object.entries(root.keys);
  if (entries.length > ROOT_KEYS_MAX) return refuse("payload_schema", `${entries.length} keys, at most ${ROOT_KEYS_MAX} are allowed`);
  if (root.expires_at <= root.created_at) return refuse("payload_schema", "it expires before it was made");
  // An id is its key's hash, so one public key cannot stand under two ids either.
  for (const [id, entry] of entries) {
    const key = readPublicKey(entry.public);
    if (!key.ok) return key;
    if (keyIdOf(key.value) !== id) return refuse("root_duplicate_key", `${id.slice(0, 64)} is not the id of its key`);
  }
  for (const role of ROLES) {
    const { keys, threshold } = root.roles[role];
    if (new Set(keys).size !== keys.length) return refuse("root_duplicate_key", `role ${role} names a key twice`);
    const unlisted = keys.find((id) => !Object.hasOwn(root.keys, id));
    if (unlisted !== undefined) return refuse("root_role_unsatisfiable", `role ${role} names ${unlisted}, which is not listed`);
    if (threshold > keys.length) return refuse("root_role_unsatisfiable", `role ${role} needs ${threshold} of ${keys.length}`);
  }
  return accept(root);
}

function hashOf(payload: Uint8Array): Sha256 {
  return sha256Schema.parse(sha256Hex(payload));
}
