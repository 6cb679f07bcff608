import { hex } from "./bytes.ts";

/** SHA-256 (FIPS 180-4) by Bun's native hasher: 32 bytes. */
export function sha256(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(new Bun.CryptoHasher("sha256").update(bytes).digest());
}

export function sha256Hex(bytes: Uint8Array): string {
  return hex(sha256(bytes));
}
