import type { Crypto } from "../ports/crypto.ts";
import type { Rng } from "../ports/rng.ts";
import { verifySignature } from "../trust/keys.ts";

/** Predictable "randomness" for tests and simulations: the same seed gives the same keys and nonces. */
export function rngCrypto(rng: Rng): Crypto {
  return {
    randomBytes: (count) => Uint8Array.from({ length: count }, () => rng.int(256)),
    verify: (publicKey, bytes, signature) => Promise.resolve(verifySignature(publicKey, bytes, signature)),
  };
}
