/**
 * Signed answers of a fleet, from its syncs to rows that survive a power cut: each in the write of its own host, with the host's row of
 * the job, the job's counts and the acknowledgement, as a sync does it. The floor is SQLite itself: the same records into the same
 * table, as many in a transaction as the hub puts into one commit. Signatures are looked at before the write, on the same core; what
 * that adds is told in the note.
 */
import { join } from "node:path";
import { agentParts } from "../../hub/edge/sync/agents.ts";
import { acceptOp, readIncoming } from "../../hub/edge/ops/accept-op.ts";
import { type ReadReturn, readReturn, storeReturn } from "../../hub/edge/ops/take-return.ts";
import { MIGRATIONS, openStore } from "../../hub/edge/store/open.ts";
import { insertOp, opBySeq } from "../../hub/edge/store/ops.ts";
import { storeAckedSeq } from "../../hub/edge/store/host-acks.ts";
import type { Hub } from "../../hub/edge/hub.ts";
import { HUB_DEFAULTS } from "../../hub/settings.ts";
import type { World } from "../../shared/ports/world.ts";
import { newOp } from "../../shared/ops/new-op.ts";
import { sha256Hex as sha256Schema } from "../../shared/protocol/fields.ts";
import { type TestFleet, testFleet, testHost, valueOf } from "../../shared/sim/test-fleet.ts";
import { signEnvelope } from "../../shared/trust/envelope.ts";
import { signReturn } from "../../shared/trust/op.ts";
import { type Bench, median } from "./bench.ts";
import { benchWorld, makeHubFixture } from "./hub-fixture.ts";
import { withDir } from "./hub-server.ts";

const HOSTS = 1_000;
const ROUNDS = 15;
/** As `hub/edge/store/store.ts` commits them. */
const ROWS_PER_COMMIT = 512;
const DAY_MS = 86_400_000;

interface Answer {
  readonly hostId: string;
  readonly name: string;
  readonly read: ReadReturn;
}

export async function jobDurableReturns(): Promise<Bench[]> {
  return withDir(async (dir) => {
    const world = benchWorld();
    const dataDir = join(dir, "hub");
    world.files.makeDir("bench.dir", dataDir, 0o700);
    await makeHubFixture(dataDir, HOSTS);
    const { hub } = await agentParts(world, { ...HUB_DEFAULTS, dataDir }, openStore(world, dataDir));
    const floorDir = join(dir, "floor");
    world.files.makeDir("bench.dir", floorDir, 0o700);
    const times = { ours: [] as number[], floor: [] as number[], reading: [] as number[] };
    for (let round = 0; round <= ROUNDS; round += 1) {
      const fleet = testFleet();
      const op = await queueOp(hub, fleet);
      const readingMs = performance.now();
      const answers = answersTo(fleet, op, world.clock.wallMs());
      const reading = performance.now() - readingMs - answers.signingMs;
      const floor = insertMs(world, floorDir, answers.all, op.id);
      const ours = await storeMs(hub, answers.all);
      const over = await hub.store.read((db) => opBySeq(db, op.seq));
      if (over?.state !== "done") throw new Error(`the job is ${String(over?.state)} after its last answer`);
      // The first round is for the compiler.
      if (round > 0) for (const [what, ms] of Object.entries({ ours, floor, reading })) times[what as keyof typeof times].push(ms);
    }
    await hub.store.close();
    const perSecond = (ms: readonly number[]): number => HOSTS / (median(ms) / 1_000);
    const [value, floor] = [perSecond(times.ours), perSecond(times.floor)];
    return [
      {
        bench: "job.durable_returns",
        value,
        unit: "1/s",
        floor,
        floorName: "SQLite's own batched insert of the same records",
        // Round by round: both of a pair were disturbed alike.
        ratio: median(times.ours.map((ms, at) => (times.floor[at] ?? Number.NaN) / ms)),
        mustReach: { at: "least", ratio: 0.25 },
        note: `${HOSTS} hosts, a write each; looking at a signature costs ${((median(times.reading) / HOSTS) * 1_000).toFixed(0)} µs more per answer`,
      },
    ];
  });
}

async function queueOp(hub: Hub, fleet: TestFleet) {
  const nowMs = hub.world.clock.wallMs();
  const made = valueOf(
    newOp(
      {
        fleetId: fleet.root.payload.fleet_id,
        kind: "cmd.run",
        target: { expr: "true" },
        params: { argv: ["/bin/true"], timeout_s: 60 },
        issuedAt: nowMs,
        lifetimeMs: DAY_MS,
      },
      hub.world.crypto,
    ),
  );
  const envelope = signEnvelope("op", made.bytes, [fleet.key]);
  const { draft } = valueOf(readIncoming(envelope, fleet.root, nowMs));
  const { id, kind, expires_at } = draft.payload;
  const seq = await hub.store.write("bench.op", (tx) => {
    const row = { op_id: id, kind, class: draft.class, state: "pending", sha256: draft.sha256, target_key: "", drafted_by: "bench", note: null } as const;
    const opSeq = insertOp(tx.db, { ...row, created_at: nowMs, expires_at, pacing: null, due_at: expires_at, envelope: JSON.stringify(envelope) });
    acceptOp(
      hub,
      tx,
      opSeq,
      draft,
      [...hub.hosts.all()].map(({ hostId }) => hostId),
      undefined,
      nowMs,
    );
    return opSeq;
  });
  return { id, sha256: made.sha256, seq };
}

function answersTo(
  fleet: TestFleet,
  op: { readonly id: string; readonly sha256: string },
  nowMs: number,
): { readonly all: readonly Answer[]; readonly signingMs: number } {
  let signingMs = 0;
  const all = Array.from({ length: HOSTS }, (_, at): Answer => {
    const startedMs = performance.now();
    const host = testHost(`bench ${at}`);
    const identity = {
      fleetId: fleet.root.payload.fleet_id,
      hostId: host.hostId,
      name: `bench-${at}`,
      labels: {},
      signingKey: host.signingKey.publicKey,
      keyId: host.signingKey.keyId,
      boxKey: host.boxKey.publicKey,
      serial: 1,
      createdAt: 0,
    };
    const envelope = signReturn(
      {
        v: 1,
        fleet_id: fleet.root.payload.fleet_id,
        host_id: host.hostId,
        op_id: op.id,
        op_sha256: sha256Schema.parse(op.sha256),
        part: 0,
        state: "done",
        at: nowMs,
        exit: 0,
        duration_ms: 12,
        stdout: "aGVsbG8K",
      },
      host.signingKey,
    );
    signingMs += performance.now() - startedMs;
    return { hostId: host.hostId, name: identity.name, read: readReturn(envelope, identity) };
  });
  return { all, signingMs };
}

async function storeMs(hub: Hub, answers: readonly Answer[]): Promise<number> {
  const nowMs = hub.world.clock.wallMs();
  const startedMs = performance.now();
  await Promise.all(
    answers.map(({ hostId, name, read }) =>
      hub.store.write("sync.outbox", (tx) => {
        storeReturn(hub, tx, { hostId, name }, read, nowMs);
        storeAckedSeq(tx.db, hostId, 1);
      }),
    ),
  );
  return performance.now() - startedMs;
}

function insertMs(world: World, dataDir: string, answers: readonly Answer[], opId: string): number {
  const db = world.databases.open("bench.open", join(dataDir, "hub.db"), { migrations: MIGRATIONS });
  const rows = answers.map(({ hostId, read }) => ({ hostId, digest: read.digest, envelope: read.text }));
  const startedMs = performance.now();
  for (let from = 0; from < rows.length; from += ROWS_PER_COMMIT) {
    db.transaction("bench.floor", () => {
      for (const { hostId, digest, envelope } of rows.slice(from, from + ROWS_PER_COMMIT)) {
        db.run("bench.floor", INSERT, opId, hostId, 0, "done", 1, 1, 1, digest, envelope);
      }
    });
  }
  const tookMs = performance.now() - startedMs;
  db.close();
  return tookMs;
}

const INSERT = "INSERT INTO op_returns (op_id, host_id, part, state, received_at, verified, is_known, digest, envelope) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
