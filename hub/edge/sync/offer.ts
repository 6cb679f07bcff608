/**
 * A hub that was restored from an old backup is behind its own fleet. Boxes offer the newest signed documents they hold; the hub
 * takes what verifies against the chain it has and is newer, by the same rules as an upload. A box can so give back only what an
 * operator once signed. The blobs of a bundle come back by the operator's next publish; until then boxes keep what they have.
 */
import type { Envelope } from "../../../shared/protocol/fields.ts";
import type { SyncRequest } from "../../../shared/protocol/sync.ts";
import { verifyBundle } from "../../../shared/trust/bundle.ts";
import { verifyHostCert } from "../../../shared/trust/host-identity.ts";
import { spellKey } from "../../../shared/trust/keys.ts";
import { type TrustedRoot, verifyNextRoot } from "../../../shared/trust/root.ts";
import type { Hub } from "../hub.ts";
import { appendAudit } from "../store/audit.ts";
import { insertBundle, newestBundleVersion } from "../store/bundles.ts";
import { appendEvent } from "../store/events.ts";
import { findHost, replaceCertificate } from "../store/hosts.ts";
import { insertRoot } from "../store/roots.ts";
import type { HostEntry } from "./host-table.ts";

const OFFERED_ROOTS_MAX = 64;

export type Offer = NonNullable<SyncRequest["offer"]>;

export async function takeOffer(hub: Hub, entry: HostEntry, offer: Offer): Promise<void> {
  // Asked for, or not looked at: verification costs, and nobody may make the hub verify at will.
  if (!Number.isFinite(entry.offerAskedMonoMs) || hub.fleet.root === undefined) return;
  for (const envelope of offer.roots.slice(0, OFFERED_ROOTS_MAX)) await takeRoot(hub, entry, envelope);
  if (offer.cert !== undefined) await takeCertificate(hub, entry, offer.cert);
  if (offer.bundle !== undefined) await takeBundle(hub, entry, offer.bundle);
}

async function takeRoot(hub: Hub, entry: HostEntry, envelope: Envelope): Promise<void> {
  const current = hub.fleet.root;
  if (current === undefined) return;
  const next = verifyNextRoot(current, envelope);
  if (!next.ok) return noteRefused(hub, entry, "root", next.refusal);
  const root: TrustedRoot = next.value;
  const { version, fleet_id } = root.payload;
  const nowMs = hub.world.clock.wallMs();
  await hub.store.write("offer.root", (tx) => {
    if (!insertRoot(tx.db, { version, fleet_id, payload_sha256: root.hash, envelope: JSON.stringify(root.envelope), received_at: nowMs })) return;
    note(hub, tx.db, entry, { what: "root", version });
    tx.afterCommit(() => hub.fleet.rootTaken(root));
  });
}

async function takeCertificate(hub: Hub, entry: HostEntry, envelope: Envelope): Promise<void> {
  const { root } = hub.fleet;
  if (root === undefined) return;
  const verdict = verifyHostCert(envelope, root);
  if (!verdict.ok) return noteRefused(hub, entry, "host-cert", verdict.refusal);
  const identity = verdict.value;
  await hub.store.write("offer.cert", (tx) => {
    const host = findHost(tx.db, entry.hostId);
    const isMine = host !== undefined && identity.hostId === host.host_id && spellKey(identity.boxKey) === host.box_key;
    if (!isMine) return;
    const row = {
      host_id: host.host_id,
      name: identity.name,
      labels: JSON.stringify(identity.labels),
      cert_serial: identity.serial,
      host_cert: JSON.stringify(envelope),
    };
    if (!replaceCertificate(tx.db, row)) return;
    note(hub, tx.db, entry, { what: "host-cert", serial: identity.serial });
    tx.afterCommit(() => hub.hosts.certificateTaken(host.host_id, { serial: identity.serial, name: identity.name }));
  });
}

async function takeBundle(hub: Hub, entry: HostEntry, envelope: Envelope): Promise<void> {
  const { root, bundleVersion } = hub.fleet;
  if (root === undefined) return;
  const nowMs = hub.world.clock.wallMs();
  const verdict = verifyBundle({ envelope, root, floor: bundleVersion, nowMs });
  if (!verdict.ok) return noteRefused(hub, entry, "bundle", verdict.refusal);
  const bundle = verdict.value;
  await hub.store.write("offer.bundle", (tx) => {
    if (newestBundleVersion(tx.db) >= bundle.version) return;
    insertBundle(tx.db, {
      version: bundle.version,
      envelope: JSON.stringify(envelope),
      created_at: bundle.created_at,
      expires_at: bundle.expires_at,
      message: bundle.message,
      files: bundle.files.length,
      bytes: bundle.files.reduce((sum, file) => sum + file.size, 0),
      signers: JSON.stringify(envelope.signatures.map(({ keyid }) => keyid)),
      received_at: nowMs,
      sha256: [...new Set(bundle.files.map((file) => file.sha256))],
    });
    note(hub, tx.db, entry, { what: "bundle", version: bundle.version });
    tx.afterCommit(() => hub.fleet.bundleTaken(bundle.version));
  });
}

function note(hub: Hub, db: Parameters<typeof appendEvent>[0], entry: HostEntry, data: Readonly<Record<string, string | number>>): void {
  const at = hub.world.clock.wallMs();
  appendEvent(db, { at, kind: "hub.restored", host: { hostId: entry.hostId, name: entry.name }, data });
  appendAudit(db, { at, actor: `host:${entry.hostId}`, from: entry.address, action: "offer.take", target: String(data["what"]), data });
}

function noteRefused(hub: Hub, entry: HostEntry, what: string, refusal: string): void {
  hub.world.log.event("info", "sync.offer_refused", { host_id: entry.hostId, what, refusal });
}
