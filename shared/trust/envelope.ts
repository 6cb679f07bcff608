/**
 * DSSE (github.com/secure-systems-lab/dsse): payload bytes, payload type, and signatures over their pre-authentication
 * encoding. The bytes that were signed are the bytes that are parsed, so there is no canonical form to get wrong. Everything
 * here looks at form only; who signed is `verify.ts`'s question. Unknown members are ignored, as DSSE asks: they are not
 * signed and nothing reads them.
 */
import * as z from "zod/mini";
import { base64, concat, fromBase64, utf8 } from "../core/bytes.ts";
import { type Envelope, envelope as envelopeSchema } from "../protocol/fields.ts";
import { isEnvelope } from "../protocol/plain-json.ts";
import { SIGNATURE_BYTES, type SigningKey, sign } from "./keys.ts";
import { PAYLOAD_BYTES_MAX, type PayloadType, payloadType } from "./payloads.ts";
import { scanJson } from "./strict-json.ts";
import { accept, refuse, type Verdict } from "./verdict.ts";

export type { Envelope } from "../protocol/fields.ts";

/** Above the largest payload in base64 with sixteen signatures. */
export const ENVELOPE_BYTES_MAX = 6 * 1024 * 1024;

export interface OpenedEnvelope {
  readonly payload: Uint8Array;
  readonly signatures: readonly { readonly keyId: string; readonly signature: Uint8Array }[];
}

/** Envelope JSON as it lies in a file or arrives alone. */
export function parseEnvelope(bytes: Uint8Array): Verdict<Envelope> {
  if (bytes.byteLength > ENVELOPE_BYTES_MAX) return refuse("envelope_too_large", `${bytes.byteLength} bytes, at most ${ENVELOPE_BYTES_MAX} are allowed`);
  const json = scanJson(bytes, ENVELOPE_BYTES_MAX);
  if (!json.ok) return refuse("envelope_malformed", `${json.refusal}: ${json.detail}`);
  const parsed = z.safeParse(envelopeSchema, json.value);
  if (!parsed.success) return refuse("envelope_malformed", parsed.error.issues[0]?.path.map(String).join(".") ?? "");
  const decoded = decode(parsed.data, ENVELOPE_BYTES_MAX);
  return decoded.ok ? accept(parsed.data) : decoded;
}

/** First steps of every verification: well-formed, of this type, within this type's size. */
export function openEnvelope(envelope: unknown, type: PayloadType): Verdict<OpenedEnvelope> {
  // The schema words the refusal.
  if (!isEnvelope(envelope)) return refuse("envelope_malformed", z.safeParse(envelopeSchema, envelope).error?.issues[0]?.path.map(String).join(".") ?? "");
  const decoded = decode(envelope, PAYLOAD_BYTES_MAX[type]);
  if (!decoded.ok) return decoded;
  if (envelope.payloadType !== payloadType(type)) return refuse("wrong_type", `expected ${payloadType(type)}`);
  return decoded;
}

/** `parseEnvelope` and `openEnvelope` in one: for a hot path, where the second look at the same text would cost as much as the first. */
export function openEnvelopeBytes(bytes: Uint8Array, type: PayloadType): Verdict<OpenedEnvelope & { readonly envelope: Envelope }> {
  if (bytes.byteLength > ENVELOPE_BYTES_MAX) return refuse("envelope_too_large", `${bytes.byteLength} bytes, at most ${ENVELOPE_BYTES_MAX} are allowed`);
  const json = scanJson(bytes, ENVELOPE_BYTES_MAX);
  if (!json.ok) return refuse("envelope_malformed", `${json.refusal}: ${json.detail}`);
  const opened = openEnvelope(json.value, type);
  return opened.ok ? accept({ ...opened.value, envelope: json.value as Envelope }) : opened;
}

function decode(envelope: Envelope, payloadBytesMax: number): Verdict<OpenedEnvelope> {
  if (envelope.payload.length > Math.ceil(payloadBytesMax / 3) * 4) return refuse("envelope_too_large", `the payload is above ${payloadBytesMax} bytes`);
  const payload = fromBase64(envelope.payload);
  if (payload === undefined) return refuse("envelope_malformed", "payload is not canonical base64");
  if (payload.byteLength > payloadBytesMax) return refuse("envelope_too_large", `the payload is above ${payloadBytesMax} bytes`);
  const signatures: { keyId: string; signature: Uint8Array }[] = [];
  for (const { keyid, sig } of envelope.signatures) {
    const signature = fromBase64(sig);
    if (signature?.byteLength !== SIGNATURE_BYTES) return refuse("envelope_malformed", "a signature is not 64 bytes of canonical base64");
    signatures.push({ keyId: keyid, signature });
  }
  return accept({ payload, signatures });
}

/** Pre-authentication encoding: lengths before values, so that no two pairs share one. The type is the domain separation. */
export function pae(type: string, payload: Uint8Array): Uint8Array {
  const typeBytes = utf8(type);
  return concat(utf8(`DSSEv1 ${typeBytes.byteLength} `), typeBytes, utf8(` ${payload.byteLength} `), payload);
}

export function signEnvelope(type: PayloadType, payload: Uint8Array, keys: readonly SigningKey[]): Envelope {
  const signed = pae(payloadType(type), payload);
  return {
    payload: base64(payload),
    payloadType: payloadType(type),
    signatures: keys.map((key) => ({ keyid: key.keyId, sig: base64(sign(key, signed)) })),
  };
}

/** One more signature on the same bytes: how a threshold above one is met. A key that already signed signs again in its place. */
export function addSignature(envelope: Envelope, type: PayloadType, key: SigningKey): Verdict<Envelope> {
  const opened = openEnvelope(envelope, type);
  if (!opened.ok) return opened;
  const others = envelope.signatures.filter(({ keyid }) => keyid !== key.keyId);
  const sig = base64(sign(key, pae(payloadType(type), opened.value.payload)));
  return accept({ ...envelope, signatures: [...others, { keyid: key.keyId, sig }] });
}

export function encodeEnvelope({ payload, payloadType: type, signatures }: Envelope): Uint8Array {
  return utf8(JSON.stringify({ payload, payloadType: type, signatures: signatures.map(({ keyid, sig }) => ({ keyid, sig })) }));
}
