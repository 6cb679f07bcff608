import { Fault } from "../../../shared/core/fault.ts";
import type { SigningKey } from "../../../shared/trust/keys.ts";
import type { Role } from "../../../shared/trust/payloads.ts";
import type { TrustedRoot } from "../../../shared/trust/root.ts";

/**
 * Which keys of the vault sign. By the current root, never by a key's name: keys that the role does not list are no use. Without names, as
 * many as the threshold asks for, in the root's order.
 */
export interface Candidate {
  readonly name: string;
  readonly key: SigningKey;
}

export function chooseSigners(
  candidates: readonly Candidate[],
  asked: { readonly root: TrustedRoot; readonly role: Role; readonly names: readonly string[] },
): readonly SigningKey[] {
  const { keys, threshold } = asked.root.payload.roles[asked.role];
  const unknown = asked.names.find((name) => !candidates.some((candidate) => candidate.name === name));
  if (unknown !== undefined) throw new Fault("not_found", `Cannot sign with ${unknown}: the vault has no key of that name`, { remedy: "felhom key list" });
  const named = asked.names.length === 0 ? candidates : candidates.filter(({ name }) => asked.names.includes(name));
  const useless = asked.names.length > 0 ? named.find(({ key }) => !keys.includes(key.keyId)) : undefined;
  if (useless !== undefined)
    throw new Fault("denied", `Cannot sign with ${useless.name}: the root does not give it the role ${asked.role}`, {
      remedy: "felhom trust show lists roles and keys.",
    });
  const fitting = keys.flatMap((id) => named.filter(({ key }) => key.keyId === id)).map(({ key }) => key);
  if (fitting.length < threshold) {
    throw new Fault("denied", `Cannot sign as ${asked.role}: the role needs ${threshold} of its ${keys.length} keys, and this vault has ${fitting.length}`, {
      facts: { role: asked.role, threshold, have: fitting.length },
      remedy: "felhom trust show lists who holds the others; felhom context list shows whether this is the right fleet.",
    });
  }
  return asked.names.length === 0 ? fitting.slice(0, threshold) : fitting;
}
