/**
 * The SSH agent protocol (draft-ietf-sshm-ssh-agent), as far as signing with an Ed25519 key needs it: list the keys, sign these bytes.
 * Bytes in, bytes out. An agent signs what it is given without a frame of its own, so its signature is one that `verifySignature`
 * takes. Keys of FIDO devices (`sk-ssh-ed25519@…`) sign something else and are passed over; a hardware key works through an agent
 * that shows it as plain `ssh-ed25519`.
 */
import { concat, fromUtf8, utf8 } from "../../../shared/core/bytes.ts";
import { accept, refuse, type Verdict } from "../../../shared/trust/verdict.ts";

export const AGENT_ANSWER_BYTES_MAX = 256 * 1_024;
const KEYS_MAX = 256;
const ED25519 = "ssh-ed25519";

const REQUEST_IDENTITIES = 11;
const IDENTITIES_ANSWER = 12;
const SIGN_REQUEST = 13;
const SIGN_RESPONSE = 14;

export interface AgentKey {
  readonly publicKey: Uint8Array;
  /** As the agent calls it: untrusted text. */
  readonly comment: string;
}

export const listRequest = (): Uint8Array => frame(Uint8Array.of(REQUEST_IDENTITIES));

export function signRequest(publicKey: Uint8Array, bytes: Uint8Array): Uint8Array {
  return frame(concat(Uint8Array.of(SIGN_REQUEST), string(keyBlob(publicKey)), string(bytes), uint32(0)));
}

/** Four bytes of length, then so many bytes. */
export function isWholeFrame(bytes: Uint8Array): boolean {
  return bytes.byteLength >= 4 && bytes.byteLength >= 4 + readUint32(bytes, 0);
}

/** The Ed25519 keys of an answer; others are passed over. */
export function readKeys(answer: Uint8Array): Verdict<readonly AgentKey[]> {
  const body = bodyOf(answer, IDENTITIES_ANSWER);
  if (body === undefined || body.byteLength < 4) return refuse("envelope_malformed", "the ssh-agent's list of keys can't be read");
  const keys: AgentKey[] = [];
  const count = readUint32(body, 0);
  let at = 4;
  for (let index = 0; index < count; index += 1) {
    const blob = readString(body, at);
    const comment = blob === undefined ? undefined : readString(body, blob.next);
    if (blob === undefined || comment === undefined || index >= KEYS_MAX) return refuse("envelope_malformed", "the ssh-agent's list of keys can't be read");
    at = comment.next;
    const publicKey = sshPublicKey(blob.value);
    if (publicKey !== undefined) keys.push({ publicKey, comment: textOf(comment.value) });
  }
  return accept(keys);
}

/** The 64 bytes of an Ed25519 signature. The caller verifies it: an agent is another program. */
export function readSignature(answer: Uint8Array): Verdict<Uint8Array> {
  const body = bodyOf(answer, SIGN_RESPONSE);
  if (body === undefined) return refuse("signature_bad", "the ssh-agent did not sign: it refused, or its owner did");
  const outer = readString(body, 0);
  const kind = outer === undefined ? undefined : readString(outer.value, 0);
  const signature = outer === undefined || kind === undefined ? undefined : readString(outer.value, kind.next);
  if (kind === undefined || signature === undefined || textOf(kind.value) !== ED25519)
    return refuse("signature_bad", "the ssh-agent's signature can't be read");
  return accept(signature.value);
}

const keyBlob = (publicKey: Uint8Array): Uint8Array => concat(string(utf8(ED25519)), string(publicKey));

/** The 32 bytes of an Ed25519 key from its blob, as agents list it and as `.pub` files have it in base64. */
export function sshPublicKey(blob: Uint8Array): Uint8Array | undefined {
  const kind = readString(blob, 0);
  if (kind === undefined || textOf(kind.value) !== ED25519) return undefined;
  const key = readString(blob, kind.next);
  return key?.value.byteLength === 32 && key.next === blob.byteLength ? key.value : undefined;
}

/** What follows the length and the expected type; `undefined` for another type or a frame that is not whole. */
function bodyOf(answer: Uint8Array, type: number): Uint8Array | undefined {
  return isWholeFrame(answer) && answer[4] === type ? answer.subarray(5, 4 + readUint32(answer, 0)) : undefined;
}

const frame = (body: Uint8Array): Uint8Array => concat(uint32(body.byteLength), body);
const string = (bytes: Uint8Array): Uint8Array => concat(uint32(bytes.byteLength), bytes);

function uint32(value: number): Uint8Array {
  return Uint8Array.of((value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255);
}

function readUint32(bytes: Uint8Array, at: number): number {
  return (((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)) >>> 0;
}

function readString(bytes: Uint8Array, at: number): { readonly value: Uint8Array; readonly next: number } | undefined {
  if (at + 4 > bytes.byteLength) return undefined;
  const next = at + 4 + readUint32(bytes, at);
  return next > bytes.byteLength ? undefined : { value: bytes.subarray(at + 4, next), next };
}

function textOf(bytes: Uint8Array): string {
  try {
    return fromUtf8(bytes);
  } catch {
    return "";
  }
}
