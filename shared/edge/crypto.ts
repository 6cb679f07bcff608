import type { Crypto } from "../ports/crypto.ts";

const CHUNK_BYTES = 65_536; // what one getRandomValues call gives at most

/** The kernel's randomness through WebCrypto's global: node:crypto would cost the resident agent 5 MB, and comes with the first signature. */
export function realCrypto(): Crypto {
  let aside: Promise<{ readonly verifyAside: Crypto["verify"] }> | undefined;
  return {
    randomBytes: (count) => {
      const bytes = new Uint8Array(count);
      for (let at = 0; at < count; at += CHUNK_BYTES) crypto.getRandomValues(bytes.subarray(at, at + CHUNK_BYTES));
      return bytes;
    },
    verify: async (publicKey, bytes, signature) => {
      aside ??= import("./verify-aside.ts");
      return (await aside).verifyAside(publicKey, bytes, signature);
    },
  };
}
