/** SHA-256 (FIPS 180-4) by Bun's native hasher: 32 bytes. In one call: the hasher object costs ten times the hash of a message. */
export function sha256(bytes: Uint8Array): Uint8Array {
  const hash = new Uint8Array(32);
  Bun.SHA256.hash(bytes, hash);
  return hash;
}

export function sha256Hex(bytes: Uint8Array): string {
  return Bun.SHA256.hash(bytes, "hex");
}

/** The same over parts, for what is too large to hold: `update` each, then `hex` once. */
export function sha256Parts(): { update(part: Uint8Array): void; hex(): string } {
  const hasher = new Bun.CryptoHasher("sha256");
  return {
    update: (part) => void hasher.update(part),
    hex: () => hasher.digest("hex"),
  };
}

/** Of a text's UTF-8, without a copy of it: for hot paths. */
export function sha256HexOfText(text: string): string {
  return new Bun.CryptoHasher("sha256").update(text).digest("hex");
}
