/**
 * The operator's vault on disk: `vault` in the workstation's directory, 0600. Keys never leave it but by `key export`. An edit may ask
 * a person, who may be at lunch, so no lock is held while it runs: under the home's lock the result is written only over the very
 * bytes that were read, and otherwise the edit runs again. So two commands at once neither wait nor lose each other's key.
 */
import { Fault, isFault } from "../../shared/core/fault.ts";
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
import { lockPrivate, privateDir, readPrivate, writePrivate } from "./private-files.ts";

type VaultWorld = Pick<World, "files" | "crypto" | "self">;

/**
 * Asked for only when it is needed. `isNew` when there is no vault yet: then it is asked for twice. `wrong` is why the one before did not
 * open it: a source that has no other throws it again.
 */
export type Passphrase = (isNew: boolean, wrong?: WrongPassphrase) => Promise<string>;

export interface WrongPassphrase {
  readonly fault: Fault;
  /** 2 for the second try. */
  readonly attempt: number;
}

/** A person mistypes; who has to guess can copy the file and guess elsewhere, so this bound is for the person's sake alone. */
export const PASSPHRASE_TRIES_MAX = 3;

/** How often an edit runs because another command was faster. */
const EDITS_MAX = 10;

export interface VaultEdit {
  readonly passphrase: Passphrase;
  /** May run again, on newer contents. */
  readonly edit: (contents: VaultContents) => VaultContents | Promise<VaultContents>;
  /** Of a new vault. */
  readonly cost?: KdfCost;
}

export function hasVault(world: VaultWorld, home: string): boolean {
  return world.files.stat("vault.stat", vaultPath(home)) !== undefined;
}

/** Throws `not_found` when there is no vault, `vault_unopenable` when it does not open. */
export async function readVault(world: VaultWorld, home: string, passphrase: Passphrase): Promise<VaultContents> {
  const bytes = readVaultBytes(world, home);
  if (bytes === undefined) throw new Fault("not_found", `Cannot open the vault: there is none in ${home}`, { remedy: "felhom key new makes one." });
  return (await openAsking(await loadSecretBox(), bytes, passphrase)).contents;
}

/** Makes the vault when there is none. Writes only when the edit changed something; gives what is in it now. */
export async function editVault(world: VaultWorld, home: string, { passphrase, edit, cost = KDF_DEFAULT }: VaultEdit): Promise<VaultContents> {
  privateDir(world, "vault.home", home);
  const box = await loadSecretBox();
  let known: string | undefined;
  const remembering: Passphrase = async (isNew, wrong) => (known = known === undefined || wrong !== undefined ? await passphrase(isNew, wrong) : known);
  for (let attempt = 1; attempt <= EDITS_MAX; attempt += 1) {
    const bytes = readVaultBytes(world, home);
    const { contents, lock } =
      bytes === undefined
        ? { contents: EMPTY_VAULT, lock: lockFrom(await remembering(true), world.crypto.randomBytes(SALT_BYTES), cost) }
        : await openAsking(box, bytes, remembering);
    const edited = await edit(contents);
    if (edited === contents) return edited;
    if (replaceVault(world, home, { was: bytes, next: sealVault(box, edited, lock, world.crypto.randomBytes(NONCE_BYTES)) })) return edited;
  }
  throw new Fault("conflict", `Cannot change the vault: other commands changed it ${EDITS_MAX} times meanwhile`, { remedy: "Run the command again." });
}

/** False when the vault is no longer what was read: another command was faster. */
function replaceVault(world: VaultWorld, home: string, { was, next }: { readonly was: Uint8Array | undefined; readonly next: Uint8Array }): boolean {
  const held = lockPrivate(world, "vault.lock", `${home}/lock`);
  try {
    const now = readVaultBytes(world, home);
    if (was === undefined || now === undefined ? was !== now : !Buffer.from(was).equals(now)) return false;
    writePrivate(world, "vault.write", vaultPath(home), next);
    return true;
  } finally {
    held.release();
  }
}

async function openAsking(box: SecretBox, bytes: Uint8Array, passphrase: Passphrase): Promise<ReturnType<typeof openVault>> {
  let wrong: WrongPassphrase | undefined;
  for (let attempt = 1; ; attempt += 1) {
    const text = await passphrase(false, wrong);
    try {
      return openVault(box, bytes, text);
    } catch (error) {
      if (!isFault(error, "vault_unopenable") || attempt >= PASSPHRASE_TRIES_MAX) throw error;
      wrong = { fault: error, attempt: attempt + 1 };
    }
  }
}

export async function loadSecretBox(): Promise<SecretBox> {
  const { default: sodium } = await import("libsodium-wrappers");
  await sodium.ready;
  return sodium;
}

const readVaultBytes = (world: VaultWorld, home: string): Uint8Array | undefined => readPrivate(world, "vault.read", vaultPath(home), VAULT_BYTES_MAX);
const vaultPath = (home: string): string => `${home}/vault`;
