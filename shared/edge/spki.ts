import { base64url } from "../core/bytes.ts";
import { Fault } from "../core/fault.ts";
import { sha256 } from "../core/sha256.ts";

/**
 * The SubjectPublicKeyInfo inside an X.509 certificate (RFC 5280 section 4.1), both in DER. Forty lines of walking instead of
 * `X509Certificate`, because node:crypto would cost the resident agent 5 MB. It only finds the field: whoever presents a
 * certificate with a chosen key must still own that key to finish the handshake.
 */
export function spkiOf(der: Uint8Array): Uint8Array {
  const certificate = inside(der, element(der, 0));
  const body = inside(certificate, element(certificate, 0));
  let at = 0;
  if (body[0] === 0xa0) at = element(body, at).end; // version [0]
  for (let skip = 0; skip < 5; skip += 1) at = element(body, at).end; // serial, signature, issuer, validity, subject
  const spki = element(body, at);
  if (body[at] !== 0x30) throw malformed();
  return body.slice(at, spki.end);
}

interface Element {
  readonly start: number;
  readonly end: number;
}

/** Where the content of the element at `at` lies. Definite lengths up to four bytes, as DER has them. */
function element(bytes: Uint8Array, at: number): Element {
  const first = bytes[at + 1];
  if (first === undefined) throw malformed();
  const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
  if (first === 0x80 || lengthBytes > 4) throw malformed();
  let length = first < 0x80 ? first : 0;
  for (let index = 0; index < lengthBytes; index += 1) length = length * 256 + (bytes[at + 2 + index] ?? Number.NaN);
  const start = at + 2 + lengthBytes;
  if (!(start + length <= bytes.byteLength)) throw malformed();
  return { start, end: start + length };
}

function inside(bytes: Uint8Array, { start, end }: Element): Uint8Array {
  return bytes.subarray(start, end);
}

function malformed(): Fault {
  return new Fault("net_tls", "Cannot read a certificate: it is not DER");
}

/** base64url of the SHA-256 of a certificate's SubjectPublicKeyInfo: what a pin is. */
export function pinOf(der: Uint8Array): string {
  return base64url(sha256(spkiOf(der)));
}

/** The same for the first certificate of a PEM text. */
export function pinOfPem(pem: string): string {
  const body = /-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----/.exec(pem)?.[1];
  if (body === undefined) throw malformed();
  return pinOf(new Uint8Array(Buffer.from(body, "base64")));
}
