/**
 * An op as every reader takes it: envelope well-formed → type → signatures by keys of the current root, in the role that the class
 * asks for, threshold met → strict parse → fleet. What comes after (target, time, ledger, params, policy) is each box's own
 * question: `agent/core/ops/admit.ts`.
 *
 * The class, and with it the role, is inside the signed bytes, and nothing unsigned is parsed. So signatures are first counted for
 * both roles an op can need; when neither is met, nothing is looked at. Once the kind is known, its own role has to be met.
 */
import { fromBase64url } from "../core/bytes.ts";
import type { KeyId } from "../core/ids.ts";
import { sha256Hex } from "../core/sha256.ts";
import { checkOp, type CheckedOp, opTraits } from "../ops/catalogue.ts";
import { type OpClass, ROLE_OF_CLASS } from "../ops/op-kind.ts";
import { type Envelope, openEnvelope, openEnvelopeBytes, type OpenedEnvelope, pae, signEnvelope } from "./envelope.ts";
import type { HostIdentity } from "./host-identity.ts";
import { SIGNATURE_BYTES, type SigningKey, type VerifyAside, verifySignature } from "./keys.ts";
import { type OpPayload, opPayload, payloadType, type ReturnPayload, returnPayload, type RootPayload } from "./payloads.ts";
import { signPayload } from "./sign-payload.ts";
import { parseStrict } from "./strict-json.ts";
import { accept, refuse, type Verdict } from "./verdict.ts";
import { type ByKey, type Verified, verifyByKey, verifyByKeyAside } from "./verify.ts";

type OpRole = (typeof ROLE_OF_CLASS)[OpClass];
type Root = { readonly payload: RootPayload };

/** Signed bytes of a known fleet. The kind may be one that this program does not know: then `class` is undefined. */
export interface VerifiedOp {
  readonly payload: OpPayload;
  readonly bytes: Uint8Array;
  /** Lower-case hex over `bytes`: what a return names. */
  readonly sha256: string;
  readonly class: OpClass | undefined;
  /** Whose signatures counted for the class's role. Empty: nobody signed it. */
  readonly signers: readonly KeyId[];
  /** Every key of the roles that ops need whose signature verifies: for a host that asks for more than its root does. */
  readonly valid: readonly KeyId[];
}

export function verifyOp({ envelope, root }: { readonly envelope: Envelope; readonly root: Root }): Verdict<VerifiedOp> {
  const opened = openEnvelope(envelope, "op");
  if (!opened.ok) return opened;
  return isUnsigned(envelope) ? readUnsigned(opened.value, root) : verifySigned(opened.value, root);
}

/** The same from the envelope's own bytes, as they came over a link or lie in a file. */
export function verifyOpBytes(bytes: Uint8Array, root: Root): Verdict<VerifiedOp> {
  const opened = openEnvelopeBytes(bytes, "op");
  if (!opened.ok) return opened;
  return isUnsigned(opened.value.envelope) ? readUnsigned(opened.value, root) : verifySigned(opened.value, root);
}

function verifySigned(opened: OpenedEnvelope, root: Root): Verdict<VerifiedOp> {
  const valid = validSigners(opened, root);
  if (!valid.ok) return valid;
  const operate = enough(valid.value, root, "operate");
  const destroy = enough(valid.value, root, "destroy");
  if (!operate.ok && !destroy.ok) return operate.refusal === "key_unknown" ? destroy : operate;
  const parsed = parseStrict(opPayload, opened.payload, "op");
  if (!parsed.ok) return parsed;
  const traits = opTraits(parsed.value.kind);
  const signers = traits === undefined ? (operate.ok ? operate : destroy) : ROLE_OF_CLASS[traits.class] === "destroy" ? destroy : operate;
  if (!signers.ok) return signers;
  return bind({ payload: parsed.value, bytes: opened.payload, class: traits?.class, signers: signers.value, valid: [...valid.value] }, root);
}

/** What every payload must say beside its schema, and the last step: its fleet. */
function bind(op: Omit<VerifiedOp, "sha256">, root: Root): Verdict<VerifiedOp> {
  const { issued_at, expires_at, fleet_id } = op.payload;
  if (expires_at <= issued_at) return refuse("payload_schema", "it expires before it was issued");
  if (fleet_id !== root.payload.fleet_id) return refuse("fleet_mismatch", `signed for ${fleet_id}, this is ${root.payload.fleet_id}`);
  return accept({ ...op, sha256: sha256Hex(op.bytes) });
}

// --- signatures ----------------------------------------------------------------------------------------------------------------

/** Keys of the roles an op can need whose signature verifies. One bad signature by such a key refuses all: somebody altered something. */
function validSigners(opened: OpenedEnvelope, root: Root): Verdict<ReadonlySet<KeyId>> {
  const { operate, destroy } = root.payload.roles;
  const signed = pae(payloadType("op"), opened.payload);
  const valid = new Set<KeyId>();
  for (const { keyId, signature } of opened.signatures) {
    const listed = operate.keys.find((key) => key === keyId) ?? destroy.keys.find((key) => key === keyId);
    const entry = listed !== undefined && Object.hasOwn(root.payload.keys, listed) ? root.payload.keys[listed] : undefined;
    if (listed === undefined || entry === undefined) continue;
    // The root was held to the filter on import, where ids were also held to their keys: here the filter of each verification is enough.
    const publicKey = fromBase64url(entry.public);
    if (publicKey === undefined || !verifySignature(publicKey, signed, signature)) return refuse("signature_bad", `by ${listed}`);
    valid.add(listed);
  }
  return accept(valid);
}

/** A key id is its key's hash, so distinct ids are distinct keys. */
function enough(valid: ReadonlySet<KeyId>, root: Root, role: OpRole): Verdict<readonly KeyId[]> {
  const { keys, threshold } = root.payload.roles[role];
  const signers = keys.filter((key) => valid.has(key));
  if (signers.length === 0) return refuse("key_unknown", `no signature by a key with role ${role}`);
  return signers.length < threshold ? refuse("threshold_not_met", `${signers.length} of ${threshold} for role ${role}`) : accept(signers);
}

// --- without a signature -------------------------------------------------------------------------------------------------------

const UNSIGNED_KEY_ID = "unsigned";
/** An unsigned op is a question of this moment: a courier may not keep it for later. */
export const UNSIGNED_LIFETIME_MS_MAX = 3_600_000;

/**
 * An op that nobody signed, in the form of an envelope, so that it travels as all others do: its one signature has the id `unsigned`,
 * which no key has. Only kinds that need no signature are taken this way.
 */
export function unsignedOp(bytes: Uint8Array): Envelope {
  const { payload, payloadType: type } = signEnvelope("op", bytes, []);
  return { payload, payloadType: type, signatures: [{ keyid: UNSIGNED_KEY_ID, sig: Buffer.alloc(SIGNATURE_BYTES).toString("base64") }] };
}

export function isUnsigned(envelope: Envelope): boolean {
  return envelope.signatures.length === 1 && envelope.signatures[0]?.keyid === UNSIGNED_KEY_ID;
}

function readUnsigned(opened: OpenedEnvelope, root: Root): Verdict<VerifiedOp> {
  const parsed = parseStrict(opPayload, opened.payload, "op");
  const traits = parsed.ok ? opTraits(parsed.value.kind) : undefined;
  if (!parsed.ok || traits?.unsignedByDefault !== true || traits.class !== "read")
    return refuse("key_unknown", "nobody signed it, and it is not of a kind that may come unsigned");
  return bind({ payload: parsed.value, bytes: opened.payload, class: traits.class, signers: [], valid: [] }, root);
}

// --- before the threshold is met -----------------------------------------------------------------------------------------------

/** Payload bytes as a signer or a hub reads them: everything that can be known before anybody signed. Nothing here says that they are wanted. */
export interface DraftedOp {
  readonly payload: OpPayload;
  readonly bytes: Uint8Array;
  readonly sha256: string;
  readonly class: OpClass;
  readonly op: CheckedOp;
}

export function readDraft(bytes: Uint8Array, root: Root): Verdict<DraftedOp> {
  const parsed = parseStrict(opPayload, bytes, "op");
  if (!parsed.ok) return parsed;
  const bound = bind({ payload: parsed.value, bytes, class: undefined, signers: [], valid: [] }, root);
  if (!bound.ok) return bound;
  const op = checkOp(parsed.value.kind, parsed.value.params);
  if (!op.ok) return op;
  const traits = opTraits(op.value.kind);
  if (traits === undefined) return refuse("op_kind_unknown", parsed.value.kind);
  return accept({ payload: parsed.value, bytes, sha256: bound.value.sha256, class: traits.class, op: op.value });
}

export interface Standing {
  readonly role: OpRole;
  readonly threshold: number;
  /** Keys of the role whose signature on exactly these bytes verifies, in the root's order. */
  readonly signers: readonly KeyId[];
  /** Ids of signatures that do not count: by keys outside the role, or wrong. */
  readonly ignored: readonly string[];
}

/** How far these signatures go for a class. Unlike admission it looks at each by itself: a courier may have added rubbish. */
export function standingOf(bytes: Uint8Array, signatures: Envelope["signatures"], opClass: OpClass, root: Root): Standing {
  const role = ROLE_OF_CLASS[opClass];
  const { keys, threshold } = root.payload.roles[role];
  const counts = new Set<KeyId>();
  const ignored: string[] = [];
  for (const signature of signatures.slice(0, SIGNATURES_MAX)) {
    const key = keys.find((id) => id === signature.keyid);
    if (key !== undefined && signatureCounts(bytes, signature, key, root)) counts.add(key);
    else ignored.push(signature.keyid);
  }
  return { role, threshold, signers: keys.filter((id) => counts.has(id)), ignored };
}

const SIGNATURES_MAX = 16;

function signatureCounts(bytes: Uint8Array, signature: Envelope["signatures"][number], key: KeyId, root: Root): boolean {
  const opened = openEnvelope({ ...signEnvelope("op", bytes, []), signatures: [signature] }, "op");
  if (!opened.ok) return false;
  const valid = validSigners(opened.value, root);
  return valid.ok && valid.value.has(key);
}

// --- returns -------------------------------------------------------------------------------------------------------------------

export interface AskedOp {
  readonly id: string;
  readonly sha256: string;
}

/** A host's answer, held to the certificate of that host and, where the op is known, to exactly that op. */
export function verifyReturn(envelope: Envelope, identity: HostIdentity, asked?: AskedOp): Verdict<ReturnPayload> {
  return judgeReturn(verifyByKey(returnBy(envelope, identity)), identity, asked);
}

/** The same, its signature looked at beside the event loop. */
export async function verifyReturnAside(envelope: Envelope, identity: HostIdentity, verify: VerifyAside, asked?: AskedOp): Promise<Verdict<ReturnPayload>> {
  return judgeReturn(await verifyByKeyAside(returnBy(envelope, identity), verify), identity, asked);
}

function returnBy(envelope: Envelope, { signingKey, keyId }: HostIdentity): ByKey<ReturnPayload> {
  return { envelope, type: "return", publicKey: signingKey, keyId, schema: returnPayload };
}

function judgeReturn(verified: Verdict<Verified<ReturnPayload>>, identity: HostIdentity, asked: AskedOp | undefined): Verdict<ReturnPayload> {
  if (!verified.ok) return verified;
  const { fleet_id, host_id, op_id, op_sha256 } = verified.value.value;
  if (fleet_id !== identity.fleetId) return refuse("fleet_mismatch", `signed for ${fleet_id}, this is ${identity.fleetId}`);
  if (host_id !== identity.hostId) return refuse("host_mismatch", `it speaks for ${host_id}, signed by ${identity.hostId}`);
  if (asked !== undefined && (op_id !== asked.id || op_sha256 !== asked.sha256))
    return refuse("op_mismatch", `it answers ${op_id}, ${op_sha256.slice(0, 16)}…`);
  return accept(verified.value.value);
}

export function signReturn(value: ReturnPayload, key: SigningKey): Envelope {
  return signPayload("return", returnPayload, value, [key]);
}

/** Sixteen bits at a time, for eyes and voices: the beginning of the hash. */
export const shortDigest = (sha256: string): string => (sha256.slice(0, 16).match(/.{4}/g) ?? []).join(" ");
