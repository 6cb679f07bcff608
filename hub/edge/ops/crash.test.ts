/**
 * J03, I3: the hub dies right before, or right after, each of its writes while ops are uploaded, drafted, signed, given, answered and
 * cancelled. Started again on what is on disk: whatever was acknowledged is there, the same story can be told to its end, every host
 * has ended once, and every counter is that of its rows.
 */
import { expect, test } from "bun:test";
import { base64 } from "../../../shared/core/bytes.ts";
import { realDatabases } from "../../../shared/edge/databases.ts";
import type { Database, Databases } from "../../../shared/ports/databases.ts";
import type { OutboxItem } from "../../../shared/protocol/sync.ts";
import { TestBox } from "../../../shared/sim/test-box.ts";
import { type Reply, type TestHub, testHub } from "../../../shared/sim/test-hub.ts";
import { answer, opsIn, returnItem, testOp, type TestOp, upload } from "../../../shared/sim/test-hub-op.ts";

/** Counts calls while it is armed, dies at one of them, and then does nothing any more until it is revived. */
class Gate {
  readonly ops = new Set<string>();
  steps = 0;
  dieAt = Number.POSITIVE_INFINITY;
  armed = false;
  dead = false;

  pass(op: string): void {
    if (this.dead) throw new Error(`dead at ${op}`);
    if (!this.armed) return;
    this.steps += 1;
    this.ops.add(op);
    if (this.steps >= this.dieAt) {
      this.dead = true;
      throw new Error(`died at ${op}`);
    }
  }
}

function gated(gate: Gate): Databases {
  const wrap = (db: Database): Database => ({
    all: (op, sql, ...params) => db.all(op, sql, ...params),
    get: (op, sql, ...params) => db.get(op, sql, ...params),
    run: (op, sql, ...params) => {
      gate.pass(op);
      return db.run(op, sql, ...params);
    },
    // After the commit too: durable, and nobody was told.
    transaction: (op, body) => {
      const result = db.transaction(op, body);
      gate.pass(`${op} committed`);
      return result;
    },
    copyTo: (op, path) => db.copyTo(op, path),
    check: (op) => db.check(op),
    close: () => db.close(),
  });
  return { open: (op, path, options) => wrap(realDatabases.open(op, path, options)) };
}

interface Story {
  readonly hub: TestHub;
  readonly token: string;
  readonly web: TestBox;
  readonly db: TestBox;
  readonly ops: Readonly<Record<"job" | "drafted" | "cancelled", TestOp>>;
}

interface Acked {
  readonly ops: Set<string>;
  readonly seq: Map<string, number>;
  cancelled: boolean;
}

const isFine = ({ status }: Reply): boolean => status < 300;

/** From wherever the hub is; ends early when it died. */
async function tell({ hub, token, web, db, ops }: Story, acked: Acked): Promise<void> {
  const must = (reply: Reply): boolean => isFine(reply);
  if (!must(await upload(hub, token, ops.job, { batch: 1 }))) return;
  acked.ops.add(ops.job.id);
  if (!must(await hub.ask("POST", "/api/v1/ops/drafts", { token, body: { payload: base64(ops.drafted.bytes) } }))) return;
  acked.ops.add(ops.drafted.id);
  if (!must(await hub.ask("POST", `/api/v1/ops/${ops.drafted.id}/signatures`, { token, body: ops.drafted.envelope.signatures[0] }))) return;
  if (!must(await upload(hub, token, ops.cancelled))) return;
  acked.ops.add(ops.cancelled.id);
  const cancelled = await hub.ask("POST", `/api/v1/ops/${ops.cancelled.id}/cancel`, { token });
  if (!must(cancelled)) return;
  acked.cancelled = true;
  // Each box answers what it is given, once; what was not acknowledged it sends again.
  for (let round = 0; round < 4; round += 1) {
    for (const box of [web, db]) {
      const given = await box.sync();
      if (!must(given)) return;
      const outbox = outboxOf(box);
      for (const id of opsIn(given.json)) outbox.take(Object.values(ops).find((op) => op.id === id));
      const told = await box.sync({ outbox: [...outbox.rows] });
      if (!must(told)) return;
      outbox.acked(told.json.acked_seq);
      acked.seq.set(box.name, told.json.acked_seq);
    }
    await hub.hub.jobs.turn();
  }
}

/** A box's own ledger and outbox: it takes an op once, answers it once, and sends again what was not acknowledged. */
class Outbox {
  readonly #box: TestBox;
  readonly #known = new Set<string>();
  #seq = 1;
  rows: readonly OutboxItem[] = [{ seq: 1, kind: "op-log", body: { entries: ['{"seq":1}'] } }];

  constructor(box: TestBox) {
    this.#box = box;
  }

  take(op: TestOp | undefined): void {
    if (op === undefined || this.#known.has(op.id)) return;
    this.#known.add(op.id);
    const [begun, done] = [answer(this.#box, op, { state: "running" }), answer(this.#box, op, { part: 1 })];
    this.rows = [...this.rows, returnItem((this.#seq += 1), begun), returnItem((this.#seq += 1), done)];
  }

  acked(seq: number): void {
    this.rows = this.rows.filter((row) => row.seq > seq);
  }
}

const OUTBOXES = new WeakMap<TestBox, Outbox>();
function outboxOf(box: TestBox): Outbox {
  const known = OUTBOXES.get(box) ?? new Outbox(box);
  OUTBOXES.set(box, known);
  return known;
}

async function check({ hub, token, web, db, ops }: Story, acked: Acked, where: string): Promise<void> {
  for (const id of acked.ops) expect([where, (await hub.ask("GET", `/api/v1/ops/${id}`, { token })).status]).toEqual([where, 200]);
  if (acked.cancelled) expect([where, (await hub.ask("GET", `/api/v1/ops/${ops.cancelled.id}`, { token })).json.item.cancel_asked]).toEqual([where, true]);
  for (const box of [web, db]) {
    if (!acked.seq.has(box.name)) continue;
    const log = (await hub.ask("GET", `/api/v1/hosts/${box.keys.hostId}/op-log`, { token })).json.items;
    expect([where, log.length]).toEqual([where, 1]);
  }
  const wrong = await hub.hub.store.read((database) =>
    database.all(
      "test",
      `SELECT o.op_id, t.state, count(*) AS n, json_extract(o.job, '$.counts.' || t.state) AS counted FROM op_targets AS t JOIN ops AS o ON o.op_seq = t.op_seq
       GROUP BY o.op_id, t.state HAVING counted IS NOT n`,
    ),
  );
  expect([where, wrong]).toEqual([where, []]);
}

async function begin(gate: Gate): Promise<Story> {
  const hub = await testHub({ databases: gated(gate) });
  const token = await hub.logIn();
  const web = await new TestBox(hub, "web").enroll();
  const db = await new TestBox(hub, "db").enroll();
  for (const box of [web, db]) await box.sync();
  return { hub, token, web, db, ops: { job: testOp(hub), drafted: testOp(hub, { target: { host_id: web.keys.hostId } }), cancelled: testOp(hub) } };
}

test("a hub that dies at any write of an op's life forgets nothing it acknowledged", async () => {
  const free = new Gate();
  const whole = await begin(free);
  free.armed = true;
  await tell(whole, { ops: new Set(), seq: new Map(), cancelled: false });
  free.armed = false;
  whole.hub[Symbol.dispose]();
  for (const op of [
    "ops.insert",
    "ops.accept",
    "ops.job",
    "ops.sign",
    "ops.cancel",
    "ops.finish",
    "op-targets.insert",
    "op-targets.turn",
    "op-returns.insert",
    "op-log.insert",
    "hosts.ack",
    "audit.append",
    "ops.offer",
  ])
    expect([...free.ops].some((seen) => seen.startsWith(op))).toBe(true);
  for (let dieAt = 1; dieAt <= free.steps; dieAt += 1) {
    const gate = new Gate();
    const story = await begin(gate);
    const { hub, token, ops } = story;
    const acked: Acked = { ops: new Set(), seq: new Map(), cancelled: false };
    gate.dieAt = dieAt;
    gate.armed = true;
    await tell(story, acked).catch((error: unknown) => {
      if (!gate.dead) throw error;
    });
    expect([dieAt, gate.dead]).toEqual([dieAt, true]);
    gate.armed = gate.dead = false;
    await hub.restart();
    await check(story, acked, `step ${dieAt}`);
    await hub.world.clock.advance(61_000);
    await tell(story, acked);
    await hub.world.clock.advance(61_000);
    await tell(story, acked);
    await check(story, acked, `step ${dieAt}, told to its end`);
    const states = await Promise.all(Object.values(ops).map(async ({ id }) => (await hub.ask("GET", `/api/v1/ops/${id}`, { token })).json.item.state));
    expect([dieAt, states.slice(0, 2)]).toEqual([dieAt, ["done", "done"]]);
    hub[Symbol.dispose]();
  }
}, 180_000);
