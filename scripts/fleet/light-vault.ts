import { readFileSync, writeFileSync } from "node:fs";
import { KDF_RANGE, lockFrom, NONCE_BYTES, openVault, SALT_BYTES, sealVault } from "../../operator/core/vault/vault-file.ts";
import { loadSecretBox } from "../../operator/edge/vault.ts";

/** Seals a vault anew at the least cost that the product opens, for tests whose matter is another. */
export async function lightenVault(path: string, passphrase: string): Promise<void> {
  const box = await loadSecretBox();
  const { contents } = openVault(box, readFileSync(path), passphrase);
  const { memoryKib, passes } = KDF_RANGE;
  const lock = lockFrom(passphrase, crypto.getRandomValues(new Uint8Array(SALT_BYTES)), { memoryKib: memoryKib.least, passes: passes.least });
  writeFileSync(path, sealVault(box, contents, lock, crypto.getRandomValues(new Uint8Array(NONCE_BYTES))));
}
