/**
 * Whose keys can sign an op here: those of the vault, and with `--ssh-agent` (or `--key NAME` that only the agent has) those of the
 * ssh-agent. By the current root, never by name: a key that the role does not list is no use. The vault is opened after the operator
 * said yes, and never when the agent alone will do.
 */
import type { Call } from "../../shared/cli/command.ts";
import { escapeUntrusted } from "../../shared/cli/escape.ts";
import { Fault } from "../../shared/core/fault.ts";
import type { KeyId } from "../../shared/core/ids.ts";
import { realStreamSocket } from "../../shared/edge/stream-socket.ts";
import type { StreamSocket } from "../../shared/ports/stream-socket.ts";
import type { Role } from "../../shared/trust/payloads.ts";
import type { TrustedRoot } from "../../shared/trust/root.ts";
import { optionList } from "../core/cli/option-values.ts";
import { type OpSigner, vaultSigner } from "../core/sign/op-signer.ts";
import { keysOf } from "../core/vault/edit-contents.ts";
import { hasVault } from "./vault.ts";
import { agentSigners } from "./ssh-agent.ts";
import { unlocked } from "./signers.ts";

/** Beside `PASSPHRASE_OPTIONS`. */
export const SSH_AGENT_OPTION = { name: "ssh-agent", summary: "Sign with an Ed25519 key of the ssh-agent at $SSH_AUTH_SOCK instead of the vault" } as const;

/** Opened once per command: a passphrase is asked for once. */
export async function openSigners(call: Call, socket: StreamSocket = realStreamSocket): Promise<readonly OpSigner[]> {
  const path = call.env["SSH_AUTH_SOCK"];
  const wantsAgent = call.options["ssh-agent"] === true;
  if (wantsAgent && (path === undefined || path === "")) {
    throw new Fault("not_found", "Cannot sign with the ssh-agent: SSH_AUTH_SOCK is not set", { remedy: "eval $(ssh-agent), then ssh-add." });
  }
  if (wantsAgent && path !== undefined) return agentSigners({ socket, path, stop: call.terminal.interrupted });
  if (!hasVault(call.world, call.globals.home)) {
    throw new Fault("not_found", `Cannot sign: there is no vault in ${call.globals.home}`, {
      remedy: "felhom key new makes one; --ssh-agent signs with an agent's key.",
    });
  }
  return keysOf(await unlocked(call)).map(({ name, key }) => vaultSigner(name, key));
}

export interface Wanted {
  readonly root: TrustedRoot;
  readonly role: Role;
  /** Whose signatures are there already. */
  readonly signed?: readonly KeyId[];
  /** `all`: as many as are missing, or a fault. `some`: at least one, for ops that collect. */
  readonly need: "all" | "some";
}

/** An ssh-agent none of whose keys the role lists: most likely nobody has added it yet. */
const isStranger = (signers: readonly OpSigner[], keys: readonly KeyId[]): boolean =>
  signers.length > 0 && signers.every(({ from, keyId }) => from === "ssh-agent" && !keys.includes(keyId));

/** In the root's order; at most as many as are still missing, unless `--key` names them. */
export function chooseOpSigners(call: Pick<Call, "options">, signers: readonly OpSigner[], { root, role, signed = [], need }: Wanted): readonly OpSigner[] {
  const names = optionList(call, "key");
  const unknown = names.find((name) => !signers.some((signer) => signer.name === name || signer.keyId === name));
  if (unknown !== undefined)
    throw new Fault("not_found", `Cannot sign with ${escapeUntrusted(unknown)}: there is no key of that name`, { remedy: "felhom key list; ssh-add -l" });
  const named = names.length === 0 ? signers : signers.filter(({ name, keyId }) => names.includes(name) || names.includes(keyId));
  const { keys, threshold } = root.payload.roles[role];
  const missing = Math.max(0, threshold - signed.length);
  const fitting = keys.filter((id) => !signed.includes(id)).flatMap((id) => named.filter(({ keyId }) => keyId === id).slice(0, 1));
  if (fitting.length === 0 || (need === "all" && fitting.length < missing)) {
    throw new Fault(
      "denied",
      `Cannot sign as ${role}: the role needs ${threshold} of its ${keys.length} keys, ${signed.length} signed, and here ${fitting.length === 1 ? "is 1" : `are ${fitting.length}`} that could`,
      {
        facts: { role, threshold, signed: signed.length, have: fitting.length },
        remedy: isStranger(signers, keys)
          ? `felhom trust add NAME "$(ssh-add -L)" --role ${role}, by who may change the root`
          : "felhom trust show lists who holds the others.",
      },
    );
  }
  return names.length === 0 ? fitting.slice(0, Math.max(1, missing)) : fitting;
}
