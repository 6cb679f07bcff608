import type { Call } from "../../shared/cli/command.ts";
import type { SigningKey } from "../../shared/trust/keys.ts";
import type { Role } from "../../shared/trust/payloads.ts";
import type { TrustedRoot } from "../../shared/trust/root.ts";
import { optionList } from "../core/cli/option-values.ts";
import { chooseSigners } from "../core/fleet/choose-signers.ts";
import { keysOf } from "../core/vault/edit-contents.ts";
import type { VaultContents } from "../core/vault/vault-file.ts";
import { askPassphrase } from "./passphrase.ts";
import { readVault } from "./vault.ts";

/** Opens the vault once, after the operator has seen and confirmed what is to be signed. */
export async function unlocked(call: Call): Promise<VaultContents> {
  return readVault(call.world, call.globals.home, askPassphrase(call));
}

export async function signersFor(call: Call, { root }: { readonly root: TrustedRoot }, role: Role): Promise<readonly SigningKey[]> {
  return signersFrom(call, await unlocked(call), { root, role });
}

export function signersFrom(
  call: Pick<Call, "options">,
  contents: VaultContents,
  asked: { readonly root: TrustedRoot; readonly role: Role },
): readonly SigningKey[] {
  return chooseSigners(keysOf(contents), { ...asked, names: optionList(call, "key") });
}
