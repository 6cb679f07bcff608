/**
 * The one string that an operator gives to a box: which fleet, which root (by hash), which hub keys, and perhaps a grant's
 * token. It comes from the workstation, never from the hub, so everything a box trusts begins here.
 *
 * Form: `felhom-join-` and base32 of: version 1, number of pins, 1 when there is a token, fleet id (10 bytes), SHA-256 of root
 * version 1, each pin (32 bytes), token seed (32 bytes), and the first 5 bytes of SHA-256 over all before. Base32 survives
 * terminals, mails and line wraps; letters case, white space, quotes and hyphens do not matter.
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
}

export const JOIN_PINS_MAX = 16;
const PREFIX = "felhom-join-";
const VERSION = 1;
const HEAD_BYTES = 3;
const FLEET_BYTES = 10;
const CHECK_BYTES = 5;

export function encodeJoinCode({ fleetId, rootHash, pins, token }: JoinCode): string {
  const fleet = fromBase32(fleetId.slice(2));
  const root = fromHex(rootHash);
  assert(fleet?.byteLength === FLEET_BYTES && root?.byteLength === 32, "a join code's fleet id and root hash are well-formed");
  assert(pins.length <= JOIN_PINS_MAX && (token === undefined || token.byteLength === 32), "a join code's parts are bounded");
  const pinBytes = pins.map((pin) => {
    const bytes = fromBase64url(pin);
    assert(bytes?.byteLength === 32, "a pin is 32 bytes");
    return bytes;
  });
  const body = concat(new Uint8Array([VERSION, pins.length, token === undefined ? 0 : 1]), fleet, root, ...pinBytes, token ?? new Uint8Array());
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
  const [version, pinCount = 0, hasToken] = body;
  if (version !== VERSION) return refuse("join_code_newer", `it is of version ${version}, and this program knows version ${VERSION}`);
  const length = HEAD_BYTES + FLEET_BYTES + 32 + pinCount * 32 + (hasToken === 1 ? 32 : 0);
  if (pinCount > JOIN_PINS_MAX || (hasToken !== 0 && hasToken !== 1) || body.byteLength !== length)
    return refuse("join_code_malformed", "its parts do not add up");
  let at = HEAD_BYTES;
  const next = (count: number): Uint8Array => body.slice(at, (at += count));
  const fleetId = `f-${base32(next(FLEET_BYTES))}`;
  const rootHash = hex(next(32));
  const pins = Array.from({ length: pinCount }, () => base64url(next(32)));
  assert(isFleetId(fleetId) && isSha256(rootHash), "bytes of the right length make ids");
  return accept({ fleetId, rootHash, pins, ...(hasToken === 1 ? { token: next(32) } : {}) });
}

function checksum(body: Uint8Array): Uint8Array {
  return sha256(body).subarray(0, CHECK_BYTES);
}
