import { base32 } from "../core/bytes.ts";
import { sha256 } from "../core/sha256.ts";

/**
 * A grant's id is made from its token's public key. So a box that holds nothing but a join code with a token can name the grant in
 * the admission that it signs, and nobody can give two grants one id. Operators use it when they make the grant.
 */
export function grantIdOf(tokenPublicKey: Uint8Array): string {
  return `g-${base32(sha256(tokenPublicKey).subarray(0, 10))}`;
}
