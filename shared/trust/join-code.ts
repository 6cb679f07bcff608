/**
 * The one string that an operator gives to a box: which fleet, which root (by hash), which hub keys, and perhaps a grant's
 * token. It comes from the workstation, never from the hub, so everything a box trusts begins here.
 *
 * Form: `felhom-join-` and base32 of: version 1, number of pins, flags (1: a token, 2: a newest root), fleet id (10 bytes), SHA-256
 * of root version 1, each pin (32 bytes), token seed (32 bytes), newest root (version in 4 bytes, SHA-256), and the first 5 bytes
 * of SHA-256 over all before. Base32 survives terminals, mails and line wraps; letters case, white space, quotes and hyphens
 * do not matter.
 */
import { base32, base64url, concat, fromBase32, fromBase64url, fromHex, hex, sameBytes } from "../core/bytes.ts";
import { assert } from "../core/assert.ts";
import { type FleetId, isFleetId, isSha256, type Sha256 } from "../core/ids.ts";
import { sha256 } from "../core/sha256.ts";
import { accept, refuse, type Verdict } from "./verdict.ts";

export interface JoinCode {
  readonly fleetId: FleetId;
  /** SHA-256 of root version 1's payload bytes. */
  readonly rootHash: Sha256;
  /** SHA-256 of the hub's SubjectPublicKeyInfo, base64url; empty: the system's certificate authorities decide. */
  readonly pins: readonly string[];
  /** A grant's token: an Ed25519 seed. */
  readonly token?: Uint8Array;
  /**
   * The root in force when the code was made, when it was not version 1. Keys of earlier roots may be lost or stolen by then: without
   * this, a hub that withholds the newer roots could lead a fresh box along a fork that an old key signed.
   */
  readonly newest?: { readonly version: number; readonly hash: Sha256 };
}

export const JOIN_PINS_MAX = 16;
const PREFIX = "felhom-join-";
const VERSION = 1;
const HEAD_BYTES = 3;
const FLEET_BYTES = 10;
const CHECK_BYTES = 5;
const NEWEST_BYTES = 36;
const HAS_TOKEN = 1;
const HAS_NEWEST = 2;

export function encodeJoinCode({ fleetId, rootHash, pins, token, newest }: JoinCode): string {
  const fleet = fromBase32(fleetId.slice(2));
  const root = fromHex(rootHash);
  assert(fleet?.byteLength === FLEET_BYTES && root?.byteLength === 32, "a join code's fleet id and root hash are well-formed");
  assert(pins.length <= JOIN_PINS_MAX && (token === undefined || token.byteLength === 32), "a join code's parts are bounded");
  const pinBytes = pins.map((pin) => {
    const bytes = fromBase64url(pin);
    assert(bytes?.byteLength === 32, "a pin is 32 bytes");
    return bytes;
  });
  const flags = (token === undefined ? 0 : HAS_TOKEN) | (newest === undefined ? 0 : HAS_NEWEST);
  const body = concat(
    new Uint8Array([VERSION, pins.length, flags]),
    fleet,
    root,
    ...pinBytes,
    token ?? new Uint8Array(),
    newest === undefined ? new Uint8Array() : newestBytes(newest),
  );
  return PREFIX + base32(concat(body, checksum(body)));
}

export function decodeJoinCode(pasted: string): Verdict<JoinCode> {
  // White space of any kind, quotes, hyphens and zero-width characters are what copying adds.
  const letters = pasted
    .normalize("NFKC")
    .replace(/[\s"'`\u00ad\u2010-\u2015\u200b-\u200f\u2060\ufeff-]/g, "")
    .toLowerCase();
  const prefix = PREFIX.replaceAll("-", "");
  if (!letters.startsWith(prefix)) return refuse("join_code_malformed", `a join code begins with ${PREFIX}`);
  const code = letters.slice(prefix.length);
  const stray = /[^a-z2-7]/u.exec(code)?.[0];
  if (stray !== undefined) return refuse("join_code_malformed", `${JSON.stringify(stray)} can't be in a join code`);
  const whole = fromBase32(code);
  if (whole === undefined || whole.byteLength < HEAD_BYTES + CHECK_BYTES) return refuse("join_code_damaged", "a part of it is missing, or there is too much");
  const body = whole.subarray(0, whole.byteLength - CHECK_BYTES);
  if (!sameBytes(checksum(body), whole.subarray(body.byteLength)))
    return refuse("join_code_damaged", "its checksum does not fit: a letter is wrong, or a part is missing");
  return readBody(body);
}

function readBody(body: Uint8Array): Verdict<JoinCode> {
  const [version, pinCount = 0, flags = 0] = body;
  if (version !== VERSION) return refuse("join_code_newer", `it is of version ${version}, and this program knows version ${VERSION}`);
  const [hasToken, hasNewest] = [(flags & HAS_TOKEN) !== 0, (flags & HAS_NEWEST) !== 0];
  const length = HEAD_BYTES + FLEET_BYTES + 32 + pinCount * 32 + (hasToken ? 32 : 0) + (hasNewest ? NEWEST_BYTES : 0);
  if (pinCount > JOIN_PINS_MAX || (flags & ~(HAS_TOKEN | HAS_NEWEST)) !== 0 || body.byteLength !== length)
    return refuse("join_code_malformed", "its parts do not add up");
  let at = HEAD_BYTES;
  const next = (count: number): Uint8Array => body.slice(at, (at += count));
  const fleetId = `f-${base32(next(FLEET_BYTES))}`;
  const rootHash = hex(next(32));
  const pins = Array.from({ length: pinCount }, () => base64url(next(32)));
  assert(isFleetId(fleetId) && isSha256(rootHash), "bytes of the right length make ids");
  const token = hasToken ? { token: next(32) } : {};
  const newest = hasNewest ? { newest: { version: new DataView(next(4).buffer).getUint32(0), hash: sha256Of(next(32)) } } : {};
  return accept({ fleetId, rootHash, pins, ...token, ...newest });
}

function checksum(body: Uint8Array): Uint8Array {
  return sha256(body).subarray(0, CHECK_BYTES);
}

function newestBytes({ version, hash }: { readonly version: number; readonly hash: Sha256 }): Uint8Array {
  const bytes = fromHex(hash);
  assert(bytes?.byteLength === 32 && Number.isInteger(version) && version > 0 && version < 2 ** 32, "a join code's newest root is well-formed");
  const number = new Uint8Array(4);
  new DataView(number.buffer).setUint32(0, version);
  return concat(number, bytes);
}

function sha256Of(bytes: Uint8Array): Sha256 {
  const text = hex(bytes);
  assert(isSha256(text), "32 bytes make a SHA-256");
  return text;
}
