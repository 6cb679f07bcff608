/**
 * Who a host is: its id, its keys, its name and labels, as an operator signed them. Either in a certificate of its own, or in a
 * grant that the operator signed and an admission that the box signed with the grant's token. The hub can forge neither, so it
 * cannot invent a host, swap a box key or relabel a host to receive secrets.
 */
import type { FleetId, HostId, KeyId } from "../core/ids.ts";
import type { Envelope } from "./envelope.ts";
import { hostIdOf, keyIdOf, readBoxKey, readPublicKey, sameKey } from "./keys.ts";
import { admissionPayload, type GrantPayload, grantPayload, hostCertPayload } from "./payloads.ts";
import type { TrustedRoot } from "./root.ts";
import { accept, refuse, type Verdict } from "./verdict.ts";
import { verifyByKey, verifyByRole } from "./verify.ts";

export interface HostIdentity {
  readonly fleetId: FleetId;
  readonly hostId: HostId;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly signingKey: Uint8Array;
  /** Of `signingKey`: what its signatures name. */
  readonly keyId: KeyId;
  readonly boxKey: Uint8Array;
  /** 0 when a grant admitted the host; a certificate begins at 1. */
  readonly serial: number;
  readonly createdAt: number;
  /** The grant that admitted it, where serial is 0. */
  readonly grantId?: string;
}

export const GRANT_LIFETIME_MS_MAX = 366 * 24 * 3_600_000;

export function verifyHostCert(envelope: Envelope, root: TrustedRoot): Verdict<HostIdentity> {
  const verified = verifyByRole({ envelope, type: "host-cert", root, role: "admit", schema: hostCertPayload });
  if (!verified.ok) return verified;
  const { fleet_id, host_id, name, labels, serial, created_at } = verified.value.value;
  const keys = readHostKeys(verified.value.value);
  if (!keys.ok) return keys;
  return accept({ fleetId: fleet_id, hostId: host_id, name, labels, ...keys.value, serial, createdAt: created_at });
}

/** A newer certificate for a host that is known: the same host, and a serial that grew. */
export function verifySuccessor(current: HostIdentity, next: HostIdentity): Verdict<HostIdentity> {
  if (next.hostId !== current.hostId) return refuse("host_mismatch", `a certificate of ${next.hostId} for ${current.hostId}`);
  if (next.fleetId !== current.fleetId) return refuse("fleet_mismatch", `a certificate of ${next.fleetId} for ${current.fleetId}`);
  if (next.serial <= current.serial) return refuse("version_not_newer", `serial ${next.serial} after ${current.serial}`);
  return accept(next);
}

/** What a workstation remembers of a host: the highest serial it has seen, and whether its operator revoked the host. */
export interface KnownHost {
  readonly serial: number;
  readonly revoked: boolean;
}

/**
 * An operator's signature outlives a relabelling and a revocation, so a hub could show an old certificate of a host to have it
 * sent what it may no longer have. The workstation's own memory stands against that.
 */
export function checkKnown(known: KnownHost | undefined, identity: HostIdentity): Verdict<HostIdentity> {
  if (known?.revoked === true) return refuse("host_revoked", `${identity.hostId} was revoked on this workstation`);
  if (known !== undefined && identity.serial < known.serial)
    return refuse("below_floor", `certificate ${identity.serial}, and ${known.serial} was already seen here`);
  return accept(identity);
}

/** On the box: is this identity mine, with the keys that I hold? */
export function verifyMine(identity: HostIdentity, mine: { readonly signingKey: Uint8Array; readonly boxKey: Uint8Array }): Verdict<HostIdentity> {
  if (identity.hostId !== hostIdOf(mine.signingKey)) return refuse("host_mismatch", `it names ${identity.hostId}, this is ${hostIdOf(mine.signingKey)}`);
  if (!sameKey(identity.signingKey, mine.signingKey) || !sameKey(identity.boxKey, mine.boxKey))
    return refuse("key_mismatch", "it names a key that this host does not hold");
  return accept(identity);
}

/** `nowMs` where the grant is being used; without it only what was signed counts (loading an identity admitted earlier). */
export function verifyGrant(grant: Envelope, root: TrustedRoot, nowMs?: number): Verdict<GrantPayload> {
  const verified = verifyByRole({ envelope: grant, type: "grant", root, role: "admit", schema: grantPayload });
  if (!verified.ok) return verified;
  const payload = verified.value.value;
  const token = readPublicKey(payload.token_key);
  if (!token.ok) return token;
  if (payload.expires_at - payload.created_at > GRANT_LIFETIME_MS_MAX) return refuse("lifetime_too_long", "a grant lives at most 366 days");
  if (nowMs !== undefined && nowMs >= payload.expires_at) return refuse("grant_expired", `grant ${payload.grant_id} expired`);
  return accept(payload);
}

export interface Admission {
  readonly grant: Envelope;
  readonly admission: Envelope;
  readonly root: TrustedRoot;
  /** Given at the moment of admission only: afterwards the identity outlives its grant. */
  readonly nowMs?: number;
}

export function verifyAdmission({ grant, admission, root, nowMs }: Admission): Verdict<HostIdentity> {
  const granted = verifyGrant(grant, root, nowMs);
  if (!granted.ok) return granted;
  const token = readPublicKey(granted.value.token_key);
  if (!token.ok) return token;
  const verified = verifyByKey({ envelope: admission, type: "admission", publicKey: token.value, schema: admissionPayload });
  if (!verified.ok) return verified;
  const admitted = verified.value.value;
  if (admitted.fleet_id !== root.payload.fleet_id) return refuse("fleet_mismatch", `signed for ${admitted.fleet_id}, this is ${root.payload.fleet_id}`);
  if (admitted.grant_id !== granted.value.grant_id)
    return refuse("grant_mismatch", `the admission names grant ${admitted.grant_id}, not ${granted.value.grant_id}`);
  // A dead token must not admit later; the box's clock says when, and a liar gains nothing that `uses` and revocation do not bound.
  if (admitted.created_at >= granted.value.expires_at) return refuse("grant_expired", `admitted after grant ${granted.value.grant_id} expired`);
  const keys = readHostKeys(admitted);
  if (!keys.ok) return keys;
  return accept({
    fleetId: admitted.fleet_id,
    hostId: admitted.host_id,
    name: admitted.name,
    labels: granted.value.labels,
    ...keys.value,
    serial: 0,
    createdAt: admitted.created_at,
    grantId: granted.value.grant_id,
  });
}

interface NamedKeys {
  readonly host_id: HostId;
  readonly signing_key: string;
  readonly box_key: string;
}

function readHostKeys({ host_id, signing_key, box_key }: NamedKeys): Verdict<Pick<HostIdentity, "signingKey" | "keyId" | "boxKey">> {
  const signingKey = readPublicKey(signing_key);
  if (!signingKey.ok) return signingKey;
  const boxKey = readBoxKey(box_key);
  if (!boxKey.ok) return boxKey;
  if (sameKey(signingKey.value, boxKey.value)) return refuse("key_unsafe", "one key stands for signing and sealing");
  if (hostIdOf(signingKey.value) !== host_id) return refuse("key_mismatch", `${host_id} is not the id of its signing key`);
  return accept({ signingKey: signingKey.value, keyId: keyIdOf(signingKey.value), boxKey: boxKey.value });
}
