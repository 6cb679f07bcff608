/**
 * Secrets of one host in one bundle. They are sealed to the box key that the operator's signature binds to the host, and inside
 * stand fleet, host and bundle again: a courier can neither move a box to another host nor bring an older one back.
 */
import { base64, fromBase64, utf8 } from "../core/bytes.ts";
import type { HostIdentity } from "./host-identity.ts";
import type { BoxKey } from "./keys.ts";
import { type BundlePayload, type SealedSecrets, sealedSecrets } from "./payloads.ts";
import type { SealedBox } from "./sealed-box.ts";
import { parseVersioned } from "./strict-json.ts";
import { accept, refuse, type Verdict } from "./verdict.ts";

export const SEALED_SECRETS_BYTES_MAX = 64 * 1024;
/** Lengths leak how long secrets are; in steps of this many bytes they leak less. JSON may end in spaces. */
const PADDED_BYTES = 512;

export interface ToSeal {
  readonly box: SealedBox;
  /** From a certificate that was verified against the current root, never from the hub's own words. */
  readonly identity: HostIdentity;
  readonly bundle: number;
  readonly secrets: Readonly<Record<string, string>>;
  /** 32 fresh random bytes for this seal alone. */
  readonly ephemeralSeed: Uint8Array;
}

/** What goes into `BundlePayload.secrets` under this host's id. */
export function sealSecrets({ box, identity, bundle, secrets, ephemeralSeed }: ToSeal): Verdict<string> {
  const inner: SealedSecrets = { v: 1, fleet_id: identity.fleetId, host_id: identity.hostId, bundle, secrets: { ...secrets } };
  const text = JSON.stringify(inner);
  const bytes = utf8(text);
  const padded = utf8(text + " ".repeat((PADDED_BYTES - (bytes.byteLength % PADDED_BYTES)) % PADDED_BYTES));
  const readable = parseVersioned(sealedSecrets, padded, SEALED_SECRETS_BYTES_MAX);
  if (!readable.ok) return readable;
  const sealed = box.seal(padded, identity.boxKey, ephemeralSeed);
  return sealed.ok ? accept(base64(sealed.value)) : sealed;
}

export interface ToOpen {
  readonly box: SealedBox;
  readonly identity: HostIdentity;
  readonly boxKey: BoxKey;
  /** A manifest that was verified. */
  readonly bundle: BundlePayload;
}

/** This host's secrets; none when the bundle has none for it. */
export function openSecrets({ box, identity, boxKey, bundle }: ToOpen): Verdict<Readonly<Record<string, string>>> {
  const spelled = Object.hasOwn(bundle.secrets, identity.hostId) ? bundle.secrets[identity.hostId] : undefined;
  if (spelled === undefined) return accept({});
  const sealed = fromBase64(spelled);
  if (sealed === undefined) return refuse("secret_unopenable", "not canonical base64");
  const opened = box.open(sealed, boxKey);
  if (!opened.ok) return opened;
  const inner = parseVersioned(sealedSecrets, opened.value, SEALED_SECRETS_BYTES_MAX);
  if (!inner.ok) return inner;
  const { fleet_id, host_id, bundle: version, secrets } = inner.value;
  if (fleet_id !== bundle.fleet_id || host_id !== identity.hostId || version !== bundle.version) {
    return refuse("secret_misplaced", `made for ${host_id} in bundle ${version} of ${fleet_id}`);
  }
  return accept(secrets);
}
