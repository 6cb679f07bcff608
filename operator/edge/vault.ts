/**
 * The operator's vault on disk: `vault` in the workstation's directory, 0600. Keys never leave it but by `key export`. An edit
 * reads, changes and writes under the home's lock, so that two commands at once cannot lose each other's key.
 */
import { Fault } from "../../shared/core/fault.ts";
import type { World } from "../../shared/ports/world.ts";
import { EMPTY_VAULT } from "../core/vault/edit-contents.ts";
import {
  type KdfCost,
  KDF_DEFAULT,
  lockFrom,
  NONCE_BYTES,
  openVault,
  SALT_BYTES,
  sealVault,
  type SecretBox,
  VAULT_BYTES_MAX,
  type VaultContents,
} from "../core/vault/vault-file.ts";
import { privateDir, readPrivate, writePrivate } from "./private-files.ts";

type VaultWorld = Pick<World, "files" | "crypto" | "self">;

export interface VaultEdit {
  /** Asked for once, only when it is needed. `isNew` when there is no vault yet: then it is asked for twice. */
  readonly passphrase: (isNew: boolean) => Promise<string>;
  readonly edit: (contents: VaultContents) => VaultContents | Promise<VaultContents>;
  /** Of a new vault. */
  readonly cost?: KdfCost;
}

export function hasVault(world: VaultWorld, home: string): boolean {
  return world.files.stat("vault.stat", vaultPath(home)) !== undefined;
}

/** Throws `not_found` when there is no vault, `vault_unopenable` when it does not open. */
export async function readVault(world: VaultWorld, home: string, passphrase: () => Promise<string>): Promise<VaultContents> {
  const bytes = readPrivate(world, "vault.read", vaultPath(home), VAULT_BYTES_MAX);
  if (bytes === undefined) throw new Fault("not_found", `Cannot open the vault: there is none in ${home}`, { remedy: "felhom key new makes one." });
  return openVault(await loadSecretBox(), bytes, await passphrase()).contents;
}

/** Makes the vault when there is none. Writes only when the edit changed something; gives what is in it now. */
export async function editVault(world: VaultWorld, home: string, { passphrase, edit, cost = KDF_DEFAULT }: VaultEdit): Promise<VaultContents> {
  privateDir(world, "vault.home", home);
  const held = world.files.lock("vault.lock", `${home}/lock`);
  try {
    const box = await loadSecretBox();
    const bytes = readPrivate(world, "vault.read", vaultPath(home), VAULT_BYTES_MAX);
    const { contents, lock } =
      bytes === undefined
        ? { contents: EMPTY_VAULT, lock: lockFrom(await passphrase(true), world.crypto.randomBytes(SALT_BYTES), cost) }
        : openVault(box, bytes, await passphrase(false));
    const edited = await edit(contents);
    if (edited !== contents) writePrivate(world, "vault.write", vaultPath(home), sealVault(box, edited, lock, world.crypto.randomBytes(NONCE_BYTES)));
    return edited;
  } finally {
    held.release();
  }
}

async function loadSecretBox(): Promise<SecretBox> {
  const { default: sodium } = await import("libsodium-wrappers");
  await sodium.ready;
  return sodium;
}

const vaultPath = (home: string): string => `${home}/vault`;
