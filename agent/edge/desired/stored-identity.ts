import type { Envelope } from "../../../shared/protocol/fields.ts";
import { type HostIdentity, verifyAdmission, verifyHostCert, verifyMine } from "../../../shared/trust/host-identity.ts";
import { type BoxKey, sameKey } from "../../../shared/trust/keys.ts";
import type { TrustedRoot } from "../../../shared/trust/root.ts";
import { accept, refuse, type Verdict } from "../../../shared/trust/verdict.ts";
import type { Identity } from "../enroll/identity.ts";

export type StoredIdentity = { readonly cert: Envelope } | { readonly grant: Envelope; readonly admission: Envelope };

/** Who this box is, by an operator's signature and with the keys that it holds. */
export function verifyStoredIdentity(stored: StoredIdentity, root: TrustedRoot, keys: Identity): Verdict<HostIdentity> {
  const identity = "cert" in stored ? verifyHostCert(stored.cert, root) : verifyAdmission({ grant: stored.grant, admission: stored.admission, root });
  if (!identity.ok) return identity;
  const { nextBoxKey } = keys;
  const isRotated = nextBoxKey !== undefined && sameKey(nextBoxKey.publicKey, identity.value.boxKey);
  const mine = verifyMine(identity.value, { signingKey: keys.signingKey.publicKey, boxKey: (isRotated ? nextBoxKey : keys.boxKey).publicKey });
  if (!mine.ok) return mine;
  return mine.value.fleetId === root.payload.fleet_id ? accept(mine.value) : refuse("fleet_mismatch", mine.value.fleetId);
}

/** The key that the certificate names first, then the other: a bundle may have been sealed before a rotation counted. */
export function boxKeysOf(keys: Identity, identity: Pick<HostIdentity, "boxKey">): readonly BoxKey[] {
  if (keys.nextBoxKey === undefined) return [keys.boxKey];
  return sameKey(keys.nextBoxKey.publicKey, identity.boxKey) ? [keys.nextBoxKey, keys.boxKey] : [keys.boxKey, keys.nextBoxKey];
}
