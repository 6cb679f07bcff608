/**
 * What looking after the active jobs costs a hub that keeps a million finished ones, against the same hub without them: what is due,
 * how many are open by kind, what every box is still to be given, and the operator's list of active ops. All of it reads partial
 * indexes; a scan of what is kept would show here as a factor of thousands.
 */
import { join } from "node:path";
import { newJob, type Plan } from "../../hub/core/ops/job.ts";
import { OP_STATES, isFinalOp } from "../../hub/core/ops/op-state.ts";
import { openStore } from "../../hub/edge/store/open.ts";
import { insertTargets, openTargetsAfter } from "../../hub/edge/store/op-targets.ts";
import { countOpenOps, dueOps, insertOp, listOps, openOps, storeAcceptance, storeJob } from "../../hub/edge/store/ops.ts";
import type { Store } from "../../hub/edge/store/store.ts";
import type { Database } from "../../shared/ports/databases.ts";
import { testHost } from "../../shared/sim/test-fleet.ts";
import { type Bench, median } from "./bench.ts";
import { benchWorld } from "./hub-fixture.ts";
import { withDir } from "./hub-server.ts";

const FINISHED = 1_000_000;
const ACTIVE = 10;
const HOSTS = 20;
const ROUNDS = 201;
const WARM_UP = 20;
const LOOKS = 10;
const HOUR_MS = 3_600_000;
const ACTIVE_STATES = OP_STATES.filter((state) => !isFinalOp(state));

export async function hubActiveJobsScan(): Promise<Bench[]> {
  return withDir(async (dir) => {
    const world = benchWorld();
    const nowMs = world.clock.wallMs();
    const open = async (name: string, finished: number): Promise<Store> => {
      const dataDir = join(dir, name);
      world.files.makeDir("bench.dir", dataDir, 0o700);
      const store = openStore(world, dataDir);
      await store.write("bench.ops", ({ db }) => fill(db, finished, nowMs));
      return store;
    };
    const [none, million] = [await open("none", 0), await open("million", FINISHED)];
    const times = { none: [] as number[], million: [] as number[] };
    // Rounds alternate, so that a drifting machine hits both alike.
    for (let round = -WARM_UP; round < ROUNDS; round += 1) {
      const pair = { none: await none.read((db) => lookMs(db, nowMs)), million: await million.read((db) => lookMs(db, nowMs)) };
      if (round < 0) continue;
      times.none.push(pair.none);
      times.million.push(pair.million);
    }
    await none.close();
    await million.close();
    const [value, floor] = [median(times.million), median(times.none)];
    return [
      {
        bench: "hub.active_jobs_scan",
        value: value * 1_000,
        unit: "µs",
        floor: floor * 1_000,
        floorName: "10 active, none finished",
        // Round by round: both of a pair were disturbed alike.
        ratio: median(times.million.map((ms, at) => ms / (times.none[at] ?? Number.NaN))),
        mustReach: { at: "most", ratio: 1.2 },
        note: `${ACTIVE} active, ${FINISHED.toLocaleString("en-US").replaceAll(",", " ")} finished`,
      },
    ];
  });
}

function lookMs(db: Database, nowMs: number): number {
  const startedMs = performance.now();
  for (let look = 0; look < LOOKS; look += 1) {
    const seen = dueOps(db, nowMs + HOUR_MS, 100).length + countOpenOps(db).length + openOps(db, 0, 100).length;
    const given = openTargetsAfter(db, "", 0, 1_000).length;
    const listed = listOps(db, { beforeSeq: Number.MAX_SAFE_INTEGER, states: ACTIVE_STATES, limit: 101 }).length;
    if (seen !== ACTIVE + 1 + ACTIVE || given !== ACTIVE * HOSTS || listed !== ACTIVE) throw new Error(`a look saw ${seen}, ${given}, ${listed}`);
  }
  return (performance.now() - startedMs) / LOOKS;
}

function fill(db: Database, finished: number, nowMs: number): void {
  const plan: Plan = {
    batches: 1,
    canaries: false,
    pauseMs: 0,
    maxFail: null,
    patienceMs: HOUR_MS,
    dropsAway: false,
    expiresAtMs: nowMs + HOUR_MS,
    answerByMs: nowMs + 2 * HOUR_MS,
  };
  db.run(
    "bench.finished",
    `WITH RECURSIVE n (at) AS (SELECT 1 UNION ALL SELECT at + 1 FROM n WHERE at < ?1)
     INSERT INTO ops (op_id, kind, class, state, is_open, sha256, target_key, drafted_by, created_at, accepted_at, expires_at, total, finished_at)
     SELECT printf('o-%016d', at), 'cmd.run', 'change', CASE at % 3 WHEN 0 THEN 'failed' ELSE 'done' END, 0, '', printf('%d', at), 'bench', ?2 - at, ?2 - at, ?2 - at, 1, ?2 - at FROM n WHERE ?1 > 0`,
    finished,
    nowMs,
  );
  db.run(
    "bench.finished",
    "INSERT INTO op_targets (op_seq, host_id, batch, state, is_open, since, answered) SELECT op_seq, printf('h-%016d', op_seq % 1000), 0, 'returned', 0, created_at, 1 FROM ops",
  );
  db.run("bench.finished", "INSERT INTO op_envelopes (op_seq, envelope) SELECT op_seq, '{}' FROM ops");
  for (let at = 0; at < ACTIVE; at += 1) {
    const op = {
      op_id: `o-active${String(at).padStart(10, "a")}`,
      kind: "cmd.run",
      class: "change",
      state: "signed",
      sha256: "",
      target_key: "x",
      drafted_by: "bench",
      note: null,
    } as const;
    const opSeq = insertOp(db, { ...op, created_at: nowMs, expires_at: plan.expiresAtMs, pacing: null, due_at: plan.expiresAtMs, envelope: "{}" });
    storeAcceptance(db, opSeq, HOSTS, nowMs);
    insertTargets(
      db,
      opSeq,
      Array.from({ length: HOSTS }, (_, host) => ({ host_id: testHost(`bench ${host}`).hostId, batch: 0, state: "waiting" as const })),
      nowMs,
    );
    storeJob(db, opSeq, newJob(plan, { total: HOSTS, released: HOSTS }, nowMs), "signed", plan.expiresAtMs);
  }
}
