/**
 * A host becomes one of the fleet: its row, its credential, and, once that is on the platter, its entry in memory. Called inside the
 * transaction of what admits it: an operator's approval (certificate) or a grant (grant and admission).
 */
import type { Envelope } from "../../../shared/protocol/fields.ts";
import type { HostSpec } from "../../../shared/protocol/spec.ts";
import type { HostIdentity } from "../../../shared/trust/host-identity.ts";
import { spellKey } from "../../../shared/trust/keys.ts";
import type { Hub } from "../hub.ts";
import { startOf } from "../load-hub.ts";
import { insertHostCredential } from "../store/host-credentials.ts";
import { findHost, putHost } from "../store/hosts.ts";
import type { Tx } from "../store/store.ts";

export interface Admitted {
  readonly identity: HostIdentity;
  /** One of the two: what proves the identity. */
  readonly proof:
    | { readonly by: "certificate"; readonly hostCert: Envelope }
    | { readonly by: "grant"; readonly grant: Envelope; readonly admission: Envelope };
  readonly credentialSha256: string;
}

/** Inside a transaction. A host that is there keeps its spec, contact and outbox position. */
export function admitHost(hub: Hub, tx: Tx, { identity, proof, credentialSha256 }: Admitted, nowMs: number): void {
  const spec: HostSpec = { v: 1, host_id: identity.hostId, generation: 1, mode: "enforce" };
  putHost(tx.db, {
    host_id: identity.hostId,
    name: identity.name,
    labels: JSON.stringify(identity.labels),
    signing_key: spellKey(identity.signingKey),
    box_key: spellKey(identity.boxKey),
    cert_serial: identity.serial,
    host_cert: proof.by === "certificate" ? JSON.stringify(proof.hostCert) : null,
    grant_envelope: proof.by === "grant" ? JSON.stringify(proof.grant) : null,
    admission: proof.by === "grant" ? JSON.stringify(proof.admission) : null,
    created_at: nowMs,
    spec_generation: spec.generation,
    spec: JSON.stringify(spec),
  });
  insertHostCredential(tx.db, { sha256: credentialSha256, host_id: identity.hostId, created_at: nowMs });
  const row = findHost(tx.db, identity.hostId);
  if (row === undefined) throw new Error("Broken invariant: a host that was put is there");
  // A host that was here before keeps how far its outbox is.
  tx.afterCommit(() => hub.hosts.putCredential(credentialSha256, hub.hosts.put(startOf(row, 0, hub.world.clock.monoMs())), false));
}
