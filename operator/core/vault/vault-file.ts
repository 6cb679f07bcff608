/**
 * The vault as bytes: Argon2id over the passphrase, then libsodium's secretbox over everything inside. The cost is recorded in the
 * header, so that it can grow with the years, and is held to a range both ways: a header that asks for almost nothing would make
 * guessing cheap, one that asks for everything would hang the workstation. A wrong passphrase, a changed byte and a truncated
 * file are one answer. Pure: salt and nonce come in as arguments.
 *
 * Argon2id is node:crypto's (RFC 9106, version 1.3): the common build of libsodium-wrappers has no crypto_pwhash. With parallelism
 * 1 the two give the same key.
 */
import { argon2Sync } from "node:crypto";
import * as z from "zod/mini";
import { assert } from "../../../shared/core/assert.ts";
import { base64, fromBase64, utf8 } from "../../../shared/core/bytes.ts";
import { Fault } from "../../../shared/core/fault.ts";
import { bytes32, fleetId, name, opaqueId, text, wallMs } from "../../../shared/protocol/fields.ts";
import { parseVersioned } from "../../../shared/trust/strict-json.ts";

export const VAULT_BYTES_MAX = 8 * 1024 * 1024;
export const SALT_BYTES = 16;
export const NONCE_BYTES = 24;
export const VAULT_KEYS_MAX = 64;
export const VAULT_SECRETS_MAX = 10_000;
export const SECRET_CHARS_MAX = 32 * 1024;

/** What was and will be used for new vaults: libsodium's MODERATE, about a second. */
export const KDF_DEFAULT: KdfCost = { memoryKib: 256 * 1024, passes: 3 };
export const KDF_RANGE = { memoryKib: { least: 64 * 1024, most: 1024 * 1024 }, passes: { least: 2, most: 8 } } as const;

export interface KdfCost {
  readonly memoryKib: number;
  readonly passes: number;
}

const vaultKey = z.strictObject({ name, seed: bytes32, created_at: wallMs });
const fleetSecrets = z.strictObject({
  /** What `secrets.yaml` refers to. */
  secrets: z.record(name, text(SECRET_CHARS_MAX)),
  /** Seeds of grant tokens by grant id, so that a join code can be printed again. */
  tokens: z.record(opaqueId, bytes32),
});
export const vaultContents = z.strictObject({
  v: z.literal(1),
  keys: z.array(vaultKey).check(z.maxLength(VAULT_KEYS_MAX)),
  fleets: z.record(fleetId, fleetSecrets),
});
export type VaultContents = z.infer<typeof vaultContents>;
export type VaultKey = z.infer<typeof vaultKey>;

const header = z.strictObject({
  v: z.literal(1),
  kind: z.literal("felhom vault"),
  kdf: z.strictObject({ name: z.literal("argon2id"), memory_kib: z.int(), passes: z.int(), salt: text(32) }),
  nonce: text(40),
  sealed: text(VAULT_BYTES_MAX),
});

/** The passphrase's key and what it was made with: enough to write the vault again without asking for the passphrase twice. */
export interface VaultLock {
  readonly key: Uint8Array;
  readonly cost: KdfCost;
  readonly salt: Uint8Array;
}

/** The two calls of libsodium that a vault needs; loaded by the edge. */
export interface SecretBox {
  crypto_secretbox_easy(message: Uint8Array, nonce: Uint8Array, key: Uint8Array): Uint8Array;
  crypto_secretbox_open_easy(sealed: Uint8Array, nonce: Uint8Array, key: Uint8Array): Uint8Array;
}

export function lockFrom(passphrase: string, salt: Uint8Array, cost: KdfCost): VaultLock {
  assert(salt.byteLength === SALT_BYTES && isAllowed(cost), "a vault's cost is in its range");
  // NFC: the same letters typed on another keyboard are the same passphrase.
  const key = argon2Sync("argon2id", {
    message: utf8(passphrase.normalize("NFC")),
    nonce: salt,
    parallelism: 1,
    tagLength: 32,
    memory: cost.memoryKib,
    passes: cost.passes,
  });
  return { key: new Uint8Array(key), cost, salt };
}

export function sealVault(box: SecretBox, contents: VaultContents, lock: VaultLock, nonce: Uint8Array): Uint8Array {
  const plain = utf8(JSON.stringify(contents));
  assert(parseVersioned(vaultContents, plain, VAULT_BYTES_MAX / 2).ok, "a vault that is written can be read");
  const sealed = box.crypto_secretbox_easy(plain, nonce, lock.key);
  const kdf = { name: "argon2id", memory_kib: lock.cost.memoryKib, passes: lock.cost.passes, salt: base64(lock.salt) };
  return utf8(`${JSON.stringify({ v: 1, kind: "felhom vault", kdf, nonce: base64(nonce), sealed: base64(sealed) })}\n`);
}

/** Throws `vault_unopenable`, the same for a wrong passphrase and for damage. A cost out of range is said apart: nothing was tried yet. */
export function openVault(box: SecretBox, bytes: Uint8Array, passphrase: string): { readonly contents: VaultContents; readonly lock: VaultLock } {
  const parsed = parseVersioned(header, bytes, VAULT_BYTES_MAX);
  if (!parsed.ok) throw unopenable();
  const { kdf, nonce, sealed } = parsed.value;
  const cost = { memoryKib: kdf.memory_kib, passes: kdf.passes };
  if (!isAllowed(cost)) {
    throw new Fault(
      "vault_unopenable",
      `Cannot open the vault: its header asks for ${kdf.memory_kib} KiB and ${kdf.passes} passes of Argon2id, which is outside the allowed range`,
      { remedy: "Somebody changed the file. Restore it from your backup." },
    );
  }
  const [salt, nonceBytes, box_] = [fromBase64(kdf.salt), fromBase64(nonce), fromBase64(sealed)];
  if (salt?.byteLength !== SALT_BYTES || nonceBytes?.byteLength !== NONCE_BYTES || box_ === undefined) throw unopenable();
  const lock = lockFrom(passphrase, salt, cost);
  const contents = parseVersioned(vaultContents, decrypt(box, box_, nonceBytes, lock.key), VAULT_BYTES_MAX);
  if (!contents.ok) throw unopenable();
  return { contents: contents.value, lock };
}

function decrypt(box: SecretBox, sealed: Uint8Array, nonce: Uint8Array, key: Uint8Array): Uint8Array {
  try {
    return box.crypto_secretbox_open_easy(sealed, nonce, key);
  } catch {
    throw unopenable();
  }
}

function isAllowed({ memoryKib, passes }: KdfCost): boolean {
  const within = (value: number, range: { readonly least: number; readonly most: number }): boolean =>
    Number.isInteger(value) && value >= range.least && value <= range.most;
  return within(memoryKib, KDF_RANGE.memoryKib) && within(passes, KDF_RANGE.passes);
}

const unopenable = (): Fault =>
  new Fault("vault_unopenable", "Cannot open the vault: the passphrase is wrong, or the file was changed", {
    remedy: "Try the passphrase again. There is no way around it; a backup of the vault has the passphrase of its time.",
  });
