import type { Crypto } from "../ports/crypto.ts";

const CHUNK_BYTES = 65_536; // what one getRandomValues call gives at most

/** The kernel's randomness through WebCrypto's global: node:crypto would cost the resident agent 5 MB. */
export const realCrypto: Crypto = {
  randomBytes: (count) => {
    const bytes = new Uint8Array(count);
    for (let at = 0; at < count; at += CHUNK_BYTES) crypto.getRandomValues(bytes.subarray(at, at + CHUNK_BYTES));
    return bytes;
  },
};
