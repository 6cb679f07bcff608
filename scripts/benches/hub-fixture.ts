/** A data directory of a hub that has met `count` hosts before: real documents, real credentials, nothing newer for anybody. */
import { utf8 } from "../../shared/core/bytes.ts";
import { sha256 } from "../../shared/core/sha256.ts";
import { realWorld } from "../../shared/edge/real-world.ts";
import type { World } from "../../shared/ports/world.ts";
import { testFleet, testHost } from "../../shared/sim/test-fleet.ts";
import { spellKey } from "../../shared/trust/keys.ts";
import { hostCredentialHash, makeHostCredential } from "../../hub/edge/store/host-credentials.ts";
import { putHost, storeSeen } from "../../hub/edge/store/hosts.ts";
import { openStore } from "../../hub/edge/store/open.ts";
import { insertRoot } from "../../hub/edge/store/roots.ts";
import type { Store } from "../../hub/edge/store/store.ts";

export interface BenchHost {
  readonly hostId: string;
  readonly credential: string;
}

export const benchWorld = (): World =>
  realWorld({
    log: { format: "json", level: "warn", sink: (line) => process.stderr.write(`${line}\n`) },
    component: "bench",
    self: {
      exe: [process.execPath],
      pid: process.pid,
      uid: process.getuid?.() ?? 0,
      gid: process.getgid?.() ?? 0,
      version: "0.0.0-bench",
      rssBytes: () => process.memoryUsage.rss(),
      releaseMemory: () => Promise.resolve(),
    },
  });

const BOOT = "benchboot";
const HOSTS_PER_WRITE = 1_000;

/** Fills `dataDir`, which exists and is empty. */
export async function makeHubFixture(dataDir: string, count: number): Promise<readonly BenchHost[]> {
  const world = benchWorld();
  const store = openStore(world, dataDir);
  const fleet = testFleet();
  await store.write("bench.root", ({ db }) =>
    insertRoot(db, {
      version: 1,
      fleet_id: fleet.root.payload.fleet_id,
      payload_sha256: fleet.root.hash,
      envelope: JSON.stringify(fleet.rootEnvelope),
      received_at: world.clock.wallMs(),
    }),
  );
  const certificate = JSON.stringify(fleet.cert(testHost("bench 0")));
  const hosts: BenchHost[] = [];
  for (let from = 0; from < count; from += HOSTS_PER_WRITE)
    hosts.push(...(await insertHosts(world, store, certificate, from, Math.min(count, from + HOSTS_PER_WRITE))));
  await store.close();
  return hosts;
}

async function insertHosts(world: World, store: Store, certificate: string, from: number, to: number): Promise<readonly BenchHost[]> {
  const hosts: BenchHost[] = [];
  const nowMs = world.clock.wallMs();
  await store.write("bench.hosts", ({ db }) => {
    for (let at = from; at < to; at += 1) {
      const { hostId, signingKey, boxKey } = testHost(`bench ${at}`);
      const credential = makeHostCredential(sha256(utf8(`bench credential ${at}`)));
      putHost(db, {
        host_id: hostId,
        name: `bench-${at}`,
        labels: "{}",
        signing_key: spellKey(signingKey.publicKey),
        box_key: spellKey(boxKey.publicKey),
        cert_serial: 1,
        host_cert: certificate,
        grant_envelope: null,
        admission: null,
        created_at: nowMs,
        spec_generation: 1,
        spec: JSON.stringify({ v: 1, host_id: hostId, generation: 1, mode: "enforce" }),
      });
      storeSeen(db, {
        host_id: hostId,
        boot_id: BOOT,
        boot_id_before: null,
        run: 1,
        agent_version: "0.0.0-bench",
        address: "127.0.0.1",
        have_root: 1,
        have_cert: 1,
        have_bundle: 0,
        have_spec: 1,
        last_seen_at: nowMs,
        contact: "up",
        contact_since: nowMs,
      });
      db.run(
        "bench.credential",
        "INSERT INTO host_credentials (sha256, host_id, created_at, confirmed_at) VALUES (?, ?, ?, ?)",
        hostCredentialHash(credential),
        hostId,
        nowMs,
        nowMs,
      );
      hosts.push({ hostId, credential });
    }
  });
  return hosts;
}

/** What a box at rest sends. */
export function benchSync(host: BenchHost, waitMs: number): string {
  return JSON.stringify({
    v: 1,
    protocol: 1,
    host_id: host.hostId,
    boot_id: BOOT,
    run: 1,
    agent_version: "0.0.0-bench",
    have: { root: 1, cert: 1, bundle: 0, spec: 1 },
    hub_epoch: 1,
    wait_ms: waitMs,
    outbox: [],
  });
}

/** The bytes that a hub answers to it, for a floor that answers the same. */
export const BENCH_REPLY = '{"v":1,"protocol":1,"min_protocol":1,"hub_epoch":1,"acked_seq":0,"next_ms":0}';
