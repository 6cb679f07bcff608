/**
 * Login challenges, without a table: the id says when it expires, the nonce is a MAC of the id under a key that this process made at
 * start. So a flood of challenges costs no memory and cannot push out the operator's own; a hub restart voids them, and the CLI asks
 * for another. Single use is kept by whoever calls this: only ids that were *spent* on a good signature are remembered.
 */
import { base32, base64url, utf8 } from "../../../shared/core/bytes.ts";

export const CHALLENGE_MS = 5 * 60_000;

/** HMAC-SHA256 under the process's own key. */
export type Mac = (text: string) => Uint8Array;

export interface Challenge {
  readonly id: string;
  /** 32 bytes, base64url. */
  readonly nonce: string;
  readonly expiresAt: number;
}

const ID = /^c([0-9a-z]{8,9})-([a-z2-7]{26})$/;

/** `random` is 16 fresh bytes. */
export function makeChallenge(mac: Mac, random: Uint8Array, nowMs: number): Challenge {
  const expiresAt = nowMs + CHALLENGE_MS;
  const id = `c${expiresAt.toString(36)}-${base32(random)}`;
  return { id, nonce: base64url(mac(id)), expiresAt };
}

/** The challenge that this hub gave under `id`, or nothing when it is forged by form or has expired. A made-up id gets a nonce that nobody was told. */
export function recallChallenge(mac: Mac, id: string, nowMs: number): Challenge | undefined {
  const expiresAt = Number.parseInt(ID.exec(id)?.[1] ?? "", 36);
  if (!Number.isSafeInteger(expiresAt) || nowMs >= expiresAt || expiresAt > nowMs + CHALLENGE_MS) return undefined;
  return { id, nonce: base64url(mac(id)), expiresAt };
}

/** The bytes an operator key signs to log in (shared/protocol/api/login.ts). */
export function loginText(fleetId: string, challenge: Challenge, keyId: string): Uint8Array {
  return utf8(`felhom login\n${fleetId}\n${challenge.id}\n${challenge.nonce}\n${keyId}`);
}
