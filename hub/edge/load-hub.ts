/** From an open store to a hub in memory: the root chain is verified again, every host and credential is read once, in pages. */
import type { HubSettings } from "../settings.ts";
import type { World } from "../../shared/ports/world.ts";
import type { Hub } from "./hub.ts";
import { Jobs } from "./ops/jobs.ts";
import { ReturnFeed } from "./ops/return-feed.ts";
import { NatsCarrier } from "./nats/carrier.ts";
import { newestBundleVersion } from "./store/bundles.ts";
import { hostCredentialsAfter } from "./store/host-credentials.ts";
import { type Acked, type HostRow, hostsAfter } from "./store/hosts.ts";
import { hubEpoch } from "./store/meta.ts";
import type { Store } from "./store/store.ts";
import type { Courier } from "./sync/courier.ts";
import { Fleet } from "./sync/fleet.ts";
import { type HostStart, HostTable } from "./sync/host-table.ts";
import { loadRoot } from "./trust/load-root.ts";

const ROWS_PER_PAGE = 5_000;

export async function loadHub(world: World, settings: HubSettings, store: Store, courier: Courier): Promise<Hub> {
  const start = await store.read((db) => ({ root: loadRoot(db), bundle: newestBundleVersion(db), epoch: hubEpoch(db) }));
  const fleet = new Fleet(start, () => courier.wakeAll());
  const hosts = new HostTable({ newer: (entry) => courier.wake(entry), revoked: (entry) => courier.wake(entry) });
  const startedMonoMs = world.clock.monoMs();
  const rows: (HostRow & Acked)[] = [];
  for (let after = ""; ; ) {
    const page = await store.read((db) => hostsAfter(db, after, ROWS_PER_PAGE));
    rows.push(...page);
    const last = page.at(-1);
    if (last === undefined) break;
    after = last.host_id;
  }
  // The list of who is in contact begins in the order in which they were last heard.
  rows.sort((a, b) => (a.last_seen_at ?? 0) - (b.last_seen_at ?? 0));
  // As if heard at the start: nobody is silent for longer than this hub has listened.
  for (const row of rows) hosts.put(startOf(row, row.acked_seq, startedMonoMs));
  for (let after = ""; ; ) {
    const page = await store.read((db) => hostCredentialsAfter(db, after, ROWS_PER_PAGE));
    for (const row of page) {
      const entry = hosts.get(row.host_id);
      if (entry !== undefined) hosts.putCredential(row.sha256, entry, row.confirmed_at !== null);
    }
    const last = page.at(-1);
    if (last === undefined) break;
    after = last.sha256;
  }
  const jobs: Jobs = new Jobs(() => hub, new ReturnFeed(world.clock));
  const hub: Hub = {
    world,
    settings,
    store,
    fleet,
    hosts,
    courier,
    jobs,
    carrier: new NatsCarrier(() => hub),
    startedWallMs: world.clock.wallMs(),
    startedMonoMs,
  };
  await jobs.load();
  return hub;
}

/** A stored host as the table in memory starts with it, as if heard at `nowMonoMs`. */
export function startOf(row: HostRow, ackedSeq: number, nowMonoMs: number): HostStart {
  return {
    hostId: row.host_id,
    name: row.name,
    revoked: row.state === "revoked",
    certSerial: row.cert_serial,
    specGeneration: row.spec_generation,
    ackedSeq,
    bootId: row.boot_id ?? "",
    bootIdBefore: row.boot_id_before ?? "",
    run: row.run,
    ledgerHigh: row.ledger_generation,
    agentVersion: row.agent_version ?? "",
    address: row.address ?? "",
    haveRoot: row.have_root,
    haveCert: row.have_cert,
    haveBundle: row.have_bundle,
    haveSpec: row.have_spec,
    seenWallMs: row.last_seen_at ?? 0,
    seenMonoMs: nowMonoMs,
    contact: row.contact,
    contactSinceMs: row.contact_since,
  };
}
