/** Ed25519 in the platform's thread pool. Loaded with the first signature: it brings node:crypto, which a resident agent does without. */
import { createPublicKey, verify } from "node:crypto";

/** RFC 8410: the DER of a public key is this and its 32 bytes. */
const ED25519_PUBLIC_DER = Buffer.from("302a300506032b6570032100", "hex");

export function verifyAside(publicKey: Uint8Array, bytes: Uint8Array, signature: Uint8Array): Promise<boolean> {
  const key = createPublicKey({ key: Buffer.concat([ED25519_PUBLIC_DER, publicKey]), format: "der", type: "spki" });
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  verify(null, bytes, key, signature, (error, isValid) => (error === null ? resolve(isValid) : reject(error)));
  return promise;
}
