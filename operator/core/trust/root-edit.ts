/**
 * The next root from the one in force: what an operator asked for, as a new payload, and the difference in words. Nothing is
 * signed here. A renewal comes with every edit: the new root lives two years from now.
 */
import { Fault } from "../../../shared/core/fault.ts";
import type { KeyId } from "../../../shared/core/ids.ts";
import { count, isoTime } from "../../../shared/cli/age.ts";
import { fromBase64 } from "../../../shared/core/bytes.ts";
import { keyIdOf, readPublicKey, spellKey } from "../../../shared/trust/keys.ts";
import { sshPublicKey } from "../sign/ssh-agent-wire.ts";
import { mustVerify } from "../../../shared/trust/must-verify.ts";
import { ROLES, type Role, type RootPayload } from "../../../shared/trust/payloads.ts";

export const ROOT_LIFETIME_MS = 730 * 86_400_000;

export type RootEdit =
  | { readonly do: "add-key"; readonly publicKey: Uint8Array; readonly label: string; readonly roles: readonly Role[] }
  | { readonly do: "remove-key"; readonly keyId: KeyId; readonly roles: readonly Role[] }
  | { readonly do: "replace-key"; readonly keyId: KeyId; readonly publicKey: Uint8Array; readonly label: string }
  | { readonly do: "threshold"; readonly role: Role; readonly threshold: number }
  | { readonly do: "hub-pins"; readonly add: readonly string[]; readonly remove: readonly string[] }
  | { readonly do: "renew" };

type Roles = RootPayload["roles"];

export function nextRoot(current: RootPayload, edit: RootEdit, nowMs: number): RootPayload {
  const next: RootPayload = { ...current, version: current.version + 1, created_at: nowMs, expires_at: nowMs + ROOT_LIFETIME_MS };
  switch (edit.do) {
    case "add-key":
      return withKey(next, edit.publicKey, edit.label, (role, keys, id) => (edit.roles.includes(role) && !keys.includes(id) ? [...keys, id] : keys));
    case "replace-key": {
      const replaced = withKey(next, edit.publicKey, edit.label, (_, keys, id) => [...new Set(keys.map((key) => (key === edit.keyId ? id : key)))]);
      return dropUnused(replaced, edit.keyId);
    }
    case "remove-key":
      return dropUnused(
        { ...next, roles: mapRoles(next.roles, (role, keys) => (edit.roles.includes(role) ? keys.filter((key) => key !== edit.keyId) : keys)) },
        edit.keyId,
      );
    case "threshold":
      return { ...next, roles: { ...next.roles, [edit.role]: { ...next.roles[edit.role], threshold: edit.threshold } } };
    case "hub-pins":
      return { ...next, hub_pins: [...new Set([...next.hub_pins.filter((pin) => !edit.remove.includes(pin)), ...edit.add])] };
    case "renew":
      return next;
  }
}

function withKey(root: RootPayload, publicKey: Uint8Array, label: string, keysOf: (role: Role, keys: KeyId[], id: KeyId) => KeyId[]): RootPayload {
  const id = keyIdOf(publicKey);
  const keys = { ...root.keys, [id]: { public: spellKey(publicKey), label } };
  return { ...root, keys, roles: mapRoles(root.roles, (role, listed) => keysOf(role, listed, id)) };
}

function mapRoles(roles: Roles, map: (role: Role, keys: KeyId[]) => KeyId[]): Roles {
  const mapped = { ...roles };
  for (const role of ROLES) mapped[role] = { ...roles[role], keys: map(role, roles[role].keys) };
  return mapped;
}

function dropUnused(root: RootPayload, keyId: KeyId): RootPayload {
  if (ROLES.some((role) => root.roles[role].keys.includes(keyId))) return root;
  const { [keyId]: _removed, ...keys } = root.keys;
  return { ...root, keys };
}

/** Before anything is signed: can every role still reach its threshold? Says it in the operator's words. */
export function checkSatisfiable(next: RootPayload): void {
  for (const role of ROLES) {
    const { keys, threshold } = next.roles[role];
    if (keys.length === 0)
      throw new Fault("bad_request", `Cannot make this root: role ${role} would have no key`, {
        remedy: `Give the role to another key first: felhom trust add NAME KEY --role ${role}`,
      });
    if (keys.length < threshold)
      throw new Fault("bad_request", `Cannot make this root: role ${role} would need ${threshold} signatures and have ${count(keys.length, "key")}`, {
        remedy: `felhom trust add gives the role another key first; felhom trust threshold ${role} ${keys.length} asks for fewer.`,
      });
  }
}

/** By label, by id, or by the beginning of an id (four letters or more). */
export function chooseKey(root: RootPayload, asked: string): KeyId {
  const found = ROLES.flatMap((role) => root.roles[role].keys).filter(
    (id, at, all) => all.indexOf(id) === at && (root.keys[id]?.label === asked || id === asked || (asked.length >= 4 && id.startsWith(asked))),
  );
  const [only, second] = found;
  if (only === undefined) throw new Fault("not_found", `Cannot find the key ${asked} in the root`, { remedy: "felhom trust show lists every key." });
  if (second !== undefined)
    throw new Fault("conflict", `Cannot tell which key is meant: ${found.length} match ${asked}`, { remedy: `Use the id: ${found.join(" or ")}` });
  return only;
}

/** A public key as `key export` prints it, `ed25519:` and base64url, the prefix may be missing; or a line of OpenSSH, as `ssh-add -L` prints it. */
export function readKey(spelled: string): Uint8Array {
  const [, type, blob = ""] = /^([a-z0-9@.-]+-[a-z0-9@.-]+)(?:\s+(\S*))?(?:\s|$)/.exec(spelled.trim()) ?? [];
  if (type !== undefined && SSH_TYPE.test(type)) return sshKey(type, blob);
  return mustVerify(
    readPublicKey(spelled.trim().replace(/^ed25519:/, "")),
    "Cannot take this public key",
    "felhom key export NAME prints one, on the workstation that has the key.",
  );
}

const SSH_TYPE = /^(?:sk-)?(?:ssh|ecdsa)-/;

function sshKey(type: string, blob: string): Uint8Array {
  if (type !== "ssh-ed25519")
    throw new Fault("bad_request", `Cannot take this public key: it is of the type ${type}`, {
      remedy: "Only ssh-ed25519 can sign for felhom: ssh-keygen -t ed25519. Keys of FIDO devices (sk-…) sign something else than what they are given.",
    });
  const publicKey = sshPublicKey(fromBase64(blob) ?? new Uint8Array());
  if (publicKey === undefined)
    throw new Fault("bad_request", "Cannot take this public key: it is no whole line of OpenSSH", { remedy: "ssh-add -L prints one." });
  return mustVerify(readPublicKey(spellKey(publicKey)), "Cannot take this public key");
}

export const spellPublicKey = (publicKey: Uint8Array): string => `ed25519:${spellKey(publicKey)}`;

export function readRoles(asked: readonly string[]): readonly Role[] {
  return asked.map((text) => {
    const role = ROLES.find((known) => known === text);
    if (role === undefined) throw new Fault("bad_request", `Cannot use the role ${text}: there is none`, { remedy: `The roles are ${ROLES.join(", ")}.` });
    return role;
  });
}

/** `+`, `-` and `~` lines, in the order a person reads them. Labels are the operators' own words: escape before showing. */
export function describeChange(before: RootPayload, after: RootPayload): readonly string[] {
  const name = (root: RootPayload, id: KeyId): string => `${root.keys[id]?.label ?? "?"} (${id})`;
  const lines: string[] = [];
  for (const id of idsOf(after)) if (!Object.hasOwn(before.keys, id)) lines.push(`+ key ${name(after, id)}`);
  for (const id of idsOf(before)) if (!Object.hasOwn(after.keys, id)) lines.push(`- key ${name(before, id)}`);
  for (const role of ROLES) {
    const [old, next] = [before.roles[role], after.roles[role]];
    for (const id of next.keys) if (!old.keys.includes(id)) lines.push(`+ role ${role} for ${name(after, id)}`);
    for (const id of old.keys) if (!next.keys.includes(id)) lines.push(`- role ${role} of ${name(before, id)}`);
    if (old.threshold !== next.threshold)
      lines.push(`~ role ${role} needs ${next.threshold} of ${next.keys.length} (was ${old.threshold} of ${old.keys.length})`);
  }
  for (const pin of after.hub_pins) if (!before.hub_pins.includes(pin)) lines.push(`+ hub key ${pin}`);
  for (const pin of before.hub_pins) if (!after.hub_pins.includes(pin)) lines.push(`- hub key ${pin}`);
  lines.push(`~ version ${before.version} to ${after.version}, valid until ${isoTime(after.expires_at).slice(0, 10)}`);
  return lines;
}

function idsOf(root: RootPayload): readonly KeyId[] {
  return [...new Set(ROLES.flatMap((role) => root.roles[role].keys))].toSorted();
}

/** Roles in which a key signed things that stop verifying when it goes: what then has to be signed again. */
export function consequences(before: RootPayload, after: RootPayload): readonly string[] {
  const lost = (role: Role): boolean => before.roles[role].keys.some((id) => !after.roles[role].keys.includes(id));
  const out: string[] = [];
  if (lost("publish")) out.push("Bundles that only the removed key signed are refused from now on: run felhom publish, so that boxes get one that counts.");
  if (lost("admit"))
    out.push(
      "Host certificates and grants that only the removed key signed no longer count, and those boxes enforce nothing until it is mended: felhom trust resign --before-removing KEY first, and new grants afterwards.",
    );
  return out;
}
