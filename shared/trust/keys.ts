/**
 * Ed25519 and X25519 keys from 32-byte seeds, and the filter that stands before every verification. Bun's Ed25519 accepts
 * public keys and R values that RFC 8032 section 5.1.3 refuses, and low-order points, with which one signature fits many
 * messages (Chalkias et al., "Taming the many EdDSAs"). Keys come from a pinned root or a certificate, never from a message
 * that they verify.
 */
import { createPrivateKey, createPublicKey, type KeyObject, sign as nodeSign, verify as nodeVerify } from "node:crypto";
import { assert } from "../core/assert.ts";
import { base32, base64url, concat, fromBase64url, fromHex, hex, sameBytes } from "../core/bytes.ts";
import { type HostId, isHostId, isKeyId, type KeyId } from "../core/ids.ts";
import { sha256 } from "../core/sha256.ts";
import { accept, refuse, type Verdict } from "./verdict.ts";

export interface SigningKey {
  readonly seed: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly keyId: KeyId;
  /** The same key as the platform signs with it: making it costs as much as a signature. */
  readonly native: KeyObject;
}

/** The seed is the X25519 private scalar itself (clamped where it is used). */
export interface BoxKey {
  readonly seed: Uint8Array;
  readonly publicKey: Uint8Array;
}

export const SEED_BYTES = 32;
export const KEY_BYTES = 32;
export const SIGNATURE_BYTES = 64;

// RFC 8410: the DER of an OKP key is a constant prefix and the 32 bytes.
const ED25519_PRIVATE_DER = der("302e020100300506032b657004220420");
const ED25519_PUBLIC_DER = der("302a300506032b6570032100");
const X25519_PRIVATE_DER = der("302e020100300506032b656e04220420");

const P = 2n ** 255n - 19n;
const D = 37095705934669439343138083508754565189542113879843219016388785533085940283555n;

/** Canonical y of the eight points whose order divides 8; each stands for both signs of x. */
const LOW_ORDER_Y: readonly string[] = [
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

const LOW_ORDER_Y_FIRST: readonly number[] = LOW_ORDER_Y.map((y) => Number.parseInt(y.slice(0, 2), 16));

/** Canonical u of Curve25519 (and its twist) whose order divides 8: with them everybody knows the shared secret. */
const LOW_ORDER_U: readonly string[] = [
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
  "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

export function signingKeyFromSeed(seed: Uint8Array): SigningKey {
  assert(seed.byteLength === SEED_BYTES, "a signing key's seed is 32 bytes");
  const native = privateKey(ED25519_PRIVATE_DER, seed);
  const publicKey = publicBytes(native);
  return { seed: new Uint8Array(seed), publicKey, keyId: keyIdOf(publicKey), native };
}

export function boxKeyFromSeed(seed: Uint8Array): BoxKey {
  assert(seed.byteLength === SEED_BYTES, "a box key's seed is 32 bytes");
  return { seed: new Uint8Array(seed), publicKey: publicBytes(privateKey(X25519_PRIVATE_DER, seed)) };
}

export function keyIdOf(publicKey: Uint8Array): KeyId {
  const id = base32(sha256(publicKey).subarray(0, 16));
  assert(isKeyId(id), "a key id is 26 letters");
  return id;
}

export function hostIdOf(signingPublicKey: Uint8Array): HostId {
  const id = `h-${base32(sha256(signingPublicKey).subarray(0, 10))}`;
  assert(isHostId(id), "a host id is h- and 16 letters");
  return id;
}

/** Ed25519, the only mode there is: no pre-hash, no context. */
export function sign(key: SigningKey, bytes: Uint8Array): Uint8Array {
  return new Uint8Array(nodeSign(null, bytes, key.native));
}

/** The filter on A and R, then Ed25519 (which refuses S ≥ L). Never throws for what it is given. */
export function verifySignature(publicKey: Uint8Array, bytes: Uint8Array, signature: Uint8Array): boolean {
  return passesFilter(publicKey, signature) && nodeVerify(null, bytes, ed25519Key(publicKey), signature);
}

/** Bare Ed25519 beside the event loop (the `Crypto` port), with no filter of its own. */
export type VerifyAside = (publicKey: Uint8Array, bytes: Uint8Array, signature: Uint8Array) => Promise<boolean>;

/** As `verifySignature`: the filter first, in this very turn. */
export async function verifySignatureAside(publicKey: Uint8Array, bytes: Uint8Array, signature: Uint8Array, verify: VerifyAside): Promise<boolean> {
  return passesFilter(publicKey, signature) && verify(publicKey, bytes, signature);
}

function passesFilter(publicKey: Uint8Array, signature: Uint8Array): boolean {
  return signature.byteLength === SIGNATURE_BYTES && isSafePoint(publicKey) && isSafePoint(signature.subarray(0, 32));
}

function ed25519Key(publicKey: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.from(concat(ED25519_PUBLIC_DER, publicKey)), format: "der", type: "spki" });
}

/** Is this a public key that may be taken in? Canonical, on the curve, and not of low order. */
export function checkPublicKey(publicKey: Uint8Array): Verdict<Uint8Array> {
  if (!isSafePoint(publicKey)) return refuse("key_unsafe", "the Ed25519 key is not canonical or is of low order");
  return isOnCurve(publicKey) ? accept(publicKey) : refuse("key_unsafe", "the Ed25519 key is not a point of the curve");
}

/** The same for X25519: canonical, top bit clear, not of low order. */
export function checkBoxKey(publicKey: Uint8Array): Verdict<Uint8Array> {
  const safe = publicKey.byteLength === KEY_BYTES && (publicKey[31] ?? 0) < 0x80 && isBelowP(publicKey) && !LOW_ORDER_U.includes(hex(publicKey));
  return safe ? accept(publicKey) : refuse("key_unsafe", "the X25519 key is not canonical or is of low order");
}

/** A public key as payloads and messages spell it (base64url), decoded and filtered. */
export function readPublicKey(spelled: string): Verdict<Uint8Array> {
  const bytes = fromBase64url(spelled);
  return bytes === undefined ? refuse("key_unsafe", "the key is not canonical base64url") : checkPublicKey(bytes);
}

export function readBoxKey(spelled: string): Verdict<Uint8Array> {
  const bytes = fromBase64url(spelled);
  return bytes === undefined ? refuse("key_unsafe", "the key is not canonical base64url") : checkBoxKey(bytes);
}

/** y < p, and y not one of the low-order five: cheap enough for every verification. */
export function isSafePoint(encoded: Uint8Array): boolean {
  if (encoded.byteLength !== KEY_BYTES) return false;
  // Nearly every point ends here: only a byte that one of the five begins with is worth a closer look.
  const isSuspect = LOW_ORDER_Y_FIRST.includes(encoded[0] ?? 0);
  if (!isSuspect && ((encoded[31] ?? 0) & 0x7f) !== 0x7f) return true;
  const y = new Uint8Array(encoded);
  y[31] = (y[31] ?? 0) & 0x7f;
  return isBelowP(y) && !LOW_ORDER_Y.includes(hex(y));
}

/** Little-endian, top bit already clear: below p = 2^255 - 19 unless it is one of the top nineteen. */
function isBelowP(value: Uint8Array): boolean {
  if (value[31] !== 0x7f || (value[0] ?? 0) < 0xed) return true;
  return value.subarray(1, 31).some((byte) => byte !== 0xff);
}

/** x² = (y² - 1) / (d·y² + 1) has a root. Only on import: it costs some tens of microseconds. */
function isOnCurve(encoded: Uint8Array): boolean {
  const y = BigInt(`0x${hex(new Uint8Array(encoded).reverse())}`) & ((1n << 255n) - 1n);
  const yy = (y * y) % P;
  // Euler's criterion on (y² - 1)·(d·y² + 1), which is a square exactly when the quotient is.
  const product = (((yy - 1n + P) % P) * ((D * yy + 1n) % P)) % P;
  return product === 0n || power(product, (P - 1n) / 2n) === 1n;
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  for (let square = base, left = exponent; left > 0n; left >>= 1n, square = (square * square) % P) {
    if ((left & 1n) === 1n) result = (result * square) % P;
  }
  return result;
}

function privateKey(prefix: Uint8Array, seed: Uint8Array): KeyObject {
  return createPrivateKey({ key: Buffer.from(concat(prefix, seed)), format: "der", type: "pkcs8" });
}

function publicBytes(key: KeyObject): Uint8Array {
  const spki = new Uint8Array(createPublicKey(key).export({ format: "der", type: "spki" }));
  return spki.slice(spki.byteLength - KEY_BYTES);
}

function der(text: string): Uint8Array {
  const bytes = fromHex(text);
  assert(bytes !== undefined, "a DER prefix is hex");
  return bytes;
}

export const spellKey = (publicKey: Uint8Array): string => base64url(publicKey);
export const sameKey = sameBytes;
