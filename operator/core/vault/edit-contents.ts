/** What commands do to a vault's contents: every edit gives a new value and refuses to overwrite by accident. */
import { base64url, fromBase64url } from "../../../shared/core/bytes.ts";
import { assert } from "../../../shared/core/assert.ts";
import { Fault } from "../../../shared/core/fault.ts";
import type { FleetId } from "../../../shared/core/ids.ts";
import { type SigningKey, signingKeyFromSeed } from "../../../shared/trust/keys.ts";
import { VAULT_KEYS_MAX, VAULT_SECRETS_MAX, type VaultContents, type VaultKey } from "./vault-file.ts";

export const EMPTY_VAULT: VaultContents = { v: 1, keys: [], fleets: {} };

export interface NamedKey {
  readonly name: string;
  readonly createdAt: number;
  readonly key: SigningKey;
}

export function keysOf(contents: VaultContents): readonly NamedKey[] {
  return contents.keys.map(namedKey);
}

export function addKey(contents: VaultContents, added: { readonly name: string; readonly seed: Uint8Array; readonly nowMs: number }): VaultContents {
  if (contents.keys.some(({ name }) => name === added.name))
    throw new Fault("conflict", `Cannot make the key ${added.name}: the vault already has one of that name`, {
      remedy: "Choose another name; felhom key list shows them.",
    });
  if (contents.keys.length >= VAULT_KEYS_MAX) throw new Fault("conflict", `Cannot make another key: a vault holds at most ${VAULT_KEYS_MAX}`);
  return { ...contents, keys: [...contents.keys, { name: added.name, seed: base64url(added.seed), created_at: added.nowMs }] };
}

type FleetPart = VaultContents["fleets"][FleetId];

function fleetPart(contents: VaultContents, fleet: FleetId): FleetPart {
  return (Object.hasOwn(contents.fleets, fleet) ? contents.fleets[fleet] : undefined) ?? { secrets: {}, tokens: {} };
}

export function secretsOf(contents: VaultContents, fleet: FleetId): Readonly<Record<string, string>> {
  return fleetPart(contents, fleet).secrets;
}

export function setSecret(contents: VaultContents, fleet: FleetId, name: string, value: string): VaultContents {
  const part = fleetPart(contents, fleet);
  const secrets = { ...part.secrets, [name]: value };
  if (Object.keys(secrets).length > VAULT_SECRETS_MAX)
    throw new Fault("conflict", `Cannot set ${name}: a vault holds at most ${VAULT_SECRETS_MAX} secrets of a fleet`);
  return { ...contents, fleets: { ...contents.fleets, [fleet]: { ...part, secrets } } };
}

export function removeSecret(contents: VaultContents, fleet: FleetId, name: string): VaultContents {
  const part = fleetPart(contents, fleet);
  if (!Object.hasOwn(part.secrets, name))
    throw new Fault("not_found", `Cannot remove the secret ${name}: the vault has none of that name for this fleet`, {
      remedy: "felhom secret list shows them.",
    });
  const { [name]: _removed, ...secrets } = part.secrets;
  return { ...contents, fleets: { ...contents.fleets, [fleet]: { ...part, secrets } } };
}

export function tokenOf(contents: VaultContents, fleet: FleetId, grantId: string): Uint8Array | undefined {
  const { tokens } = fleetPart(contents, fleet);
  const spelled = Object.hasOwn(tokens, grantId) ? tokens[grantId] : undefined;
  return spelled === undefined ? undefined : fromBase64url(spelled);
}

export function setToken(contents: VaultContents, fleet: FleetId, grantId: string, seed: Uint8Array): VaultContents {
  const part = fleetPart(contents, fleet);
  return { ...contents, fleets: { ...contents.fleets, [fleet]: { ...part, tokens: { ...part.tokens, [grantId]: base64url(seed) } } } };
}

export function removeToken(contents: VaultContents, fleet: FleetId, grantId: string): VaultContents {
  const part = fleetPart(contents, fleet);
  const { [grantId]: _removed, ...tokens } = part.tokens;
  return { ...contents, fleets: { ...contents.fleets, [fleet]: { ...part, tokens } } };
}

function namedKey({ name, seed, created_at }: VaultKey): NamedKey {
  const bytes = fromBase64url(seed);
  assert(bytes?.byteLength === 32, "a vault's seeds are 32 bytes");
  return { name, createdAt: created_at, key: signingKeyFromSeed(bytes) };
}
