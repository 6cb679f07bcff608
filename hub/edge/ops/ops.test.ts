import { expect, test } from "bun:test";
import { base64 } from "../../../shared/core/bytes.ts";
import { TestBox } from "../../../shared/sim/test-box.ts";
import { testKey, testRootPayload } from "../../../shared/sim/test-fleet.ts";
import { type TestHub, testHub } from "../../../shared/sim/test-hub.ts";
import { answer, DAY_MS, opsIn, returnItem, testOp, type TestOp, upload } from "../../../shared/sim/test-hub-op.ts";
import type { SigningKey } from "../../../shared/trust/keys.ts";
import { rootPayload } from "../../../shared/trust/payloads.ts";
import { signPayload } from "../../../shared/trust/sign-payload.ts";

// oxlint-disable-next-line typescript/no-explicit-any -- wire JSON, as the test reads it
type Json = any;

async function boxes(hub: TestHub, ...names: readonly string[]): Promise<readonly TestBox[]> {
  const all: TestBox[] = [];
  for (const name of names) {
    const box = await new TestBox(hub, name).enroll();
    await box.sync(); // the first use of a credential is answered at once
    all.push(box);
  }
  return all;
}

const one = (all: readonly TestBox[], at = 0): TestBox => {
  const box = all[at];
  if (box === undefined) throw new Error("a box");
  return box;
};
const show = async (hub: TestHub, token: string, id: string): Promise<Json> => (await hub.ask("GET", `/api/v1/ops/${id}`, { token })).json.item;
const targetItems = async (hub: TestHub, token: string, id: string): Promise<readonly Json[]> =>
  (await hub.ask("GET", `/api/v1/ops/${id}/targets`, { token })).json.items;
const targets = async (hub: TestHub, token: string, id: string): Promise<Readonly<Record<string, string>>> =>
  Object.fromEntries((await targetItems(hub, token, id)).map((item) => [item.name, item.state]));
const returns = async (hub: TestHub, token: string, id: string, query = ""): Promise<readonly Json[]> =>
  (await hub.ask("GET", `/api/v1/ops/${id}/returns${query}`, { token })).json.items;
const cancel = (hub: TestHub, token: string, id: string) => hub.ask("POST", `/api/v1/ops/${id}/cancel`, { token });
const events = async (hub: TestHub, token: string): Promise<readonly string[]> =>
  (await hub.ask("GET", "/api/v1/events?since=0&kind=op.drafted,op.queued,op.stopped,op.failed,op.refused,op.finished", { token })).json.items.map(
    (item: Json) => item.kind,
  );
const tick = () => new Promise((resolve) => setImmediate(resolve));
/** The next root: these keys operate, two of them are needed. */
const twoOperators = async (hub: TestHub, token: string, keys: readonly SigningKey[]): Promise<void> => {
  const { payload } = hub.fleet.root;
  const role = { keys: keys.map(({ keyId }) => keyId), threshold: 2 };
  const all = testRootPayload([hub.fleet.key, ...keys], { version: 2, fleet_id: payload.fleet_id });
  const next = { ...all, roles: { ...all.roles, operate: role, destroy: role, root: payload.roles.root } };
  const reply = await hub.ask("POST", "/api/v1/roots", { token, body: { envelope: signPayload("root", rootPayload, next, [hub.fleet.key]) } });
  expect(reply.status).toBe(201);
};
const turnAt = async (hub: TestHub, ms: number): Promise<void> => {
  await hub.world.clock.advance(ms);
  await hub.hub.jobs.turn();
};

/** Its request is held; the way to end its connection is given back. */
async function holding(hub: TestHub, box: TestBox): Promise<AbortController> {
  const connection = new AbortController();
  const before = hub.hub.courier.held;
  const body = { ...box.says, wait_ms: 55_000, outbox: [] };
  void hub.fetch("POST", "/agent/v1/sync", { token: box.credential, body, gone: connection.signal });
  while (hub.hub.courier.held === before) await tick();
  return connection;
}

test("an op is not given to a held connection that has ended: it waits, can be taken back, and comes with the next sync", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const box = one(await boxes(hub, "web"));
  const connection = await holding(hub, box);
  connection.abort();
  const [kept, takenBack] = [testOp(hub), testOp(hub)];
  await upload(hub, token, kept);
  await upload(hub, token, takenBack);
  await tick();
  expect([await targets(hub, token, kept.id), hub.hub.courier.held]).toEqual([{ web: "waiting" }, 0]);
  // No box has it, so the hub ends it by itself.
  expect((await cancel(hub, token, takenBack.id)).json.item.state).toBe("cancelled");
  expect(opsIn((await box.sync()).json)).toEqual([kept.id]);
});

test("a connection that ended is let go also when nothing is asked of it, or a newer one is held", async () => {
  using hub = await testHub();
  const box = one(await boxes(hub, "web"));
  const first = await holding(hub, box);
  first.abort();
  hub.hub.courier.turn(hub.world.clock.monoMs() + 60_000);
  expect(hub.hub.courier.held).toBe(0);
  const second = await holding(hub, box);
  const third = box.sync({ wait_ms: 55_000 });
  await tick();
  second.abort();
  const token = await hub.logIn();
  const op = testOp(hub);
  await upload(hub, token, op);
  expect(opsIn((await third).json)).toEqual([op.id]);
});

test("a box that started anew is told at once what was lost on the way to it, however often that was", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const box = one(await boxes(hub, "web"));
  const op = testOp(hub);
  await upload(hub, token, op);
  for (const pauseMs of [0, 2_000, 10_000]) {
    await hub.world.clock.advance(pauseMs);
    expect(opsIn((await box.sync()).json)).toEqual([op.id]);
  }
  expect(opsIn((await box.sync()).json)).toEqual([]);
  expect(opsIn((await box.sync({ run: box.says.run + 1 })).json)).toEqual([op.id]);
});

test("an op is queued, given to a held sync at once, answered, and over when all answered", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const all = await boxes(hub, "web", "db");
  const [web, db] = [one(all), one(all, 1)];
  const before = hub.hub.courier.held;
  const held = web.sync({ wait_ms: 55_000 });
  while (hub.hub.courier.held === before) await tick();
  const op = testOp(hub);
  const queued = await upload(hub, token, op);
  expect([queued.status, queued.json.item.state, queued.json.item.total]).toEqual([201, "delivered", 2]);
  expect(opsIn((await held).json)).toEqual([op.id]);
  expect(await targets(hub, token, op.id)).toEqual({ web: "delivered", db: "waiting" });
  const told = await web.sync({ outbox: [returnItem(1, answer(web, op, { state: "running", part: 0 })), returnItem(2, answer(web, op, { part: 1 }))] });
  expect([told.json.acked_seq, opsIn(told.json)]).toEqual([2, []]);
  expect(await targets(hub, token, op.id)).toEqual({ web: "returned", db: "waiting" });
  expect((await show(hub, token, op.id)).state).toBe("running");
  expect(opsIn((await db.sync({ wait_ms: 55_000 })).json)).toEqual([op.id]);
  await db.sync({ outbox: [returnItem(1, answer(db, op, { state: "failed", code: "exit" }))] });
  const done = await show(hub, token, op.id);
  expect([done.state, done.counts.returned, done.counts.failed]).toEqual(["failed", 1, 1]);
  const records = await returns(hub, token, op.id);
  expect(records.map((item) => item.host_id)).toEqual([web.keys.hostId, web.keys.hostId, db.keys.hostId]);
  expect(await returns(hub, token, op.id, `?since=${records[1].seq}`)).toHaveLength(1);
  expect(await returns(hub, token, op.id, `?host=${web.keys.hostId}`)).toHaveLength(2);
  expect(await events(hub, token)).toEqual(["op.queued", "op.failed", "op.finished"]);
  expect((await hub.ask("GET", "/api/v1/status", { token })).json.item.ops).toEqual({ active: 0, unsigned: 0, kinds: [] });
  const audit = (await hub.ask("GET", "/api/v1/audit", { token })).json.items.filter((item: Json) => item.action.startsWith("op."));
  expect(audit.map((item: Json) => [item.action, item.target, item.outcome])).toEqual([["op.upload", `op ${op.id}`, "done"]]);
});

test("ops in a row do not run their box into its rate; asking without any does", async () => {
  using hub = await testHub({ limits: { syncsPerHostPerSecond: 1 } });
  const token = await hub.logIn();
  const web = one(await boxes(hub, "web"));
  for (let at = 1; at <= 40; at += 1) {
    const op = testOp(hub);
    await upload(hub, token, op);
    const given = await web.sync();
    const told = await web.sync({ outbox: [returnItem(at, answer(web, op, {}))] });
    expect([given.status, opsIn(given.json), told.status, told.json.acked_seq]).toEqual([200, [op.id], 200, at]);
  }
  const statuses: number[] = [];
  for (let at = 0; at < 40; at += 1) statuses.push((await web.sync()).status);
  expect(statuses).toContain(429);
});

test("the same bytes again are the same op; other bytes under its id are refused", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  await boxes(hub, "web");
  const op = testOp(hub);
  expect((await upload(hub, token, op)).status).toBe(201);
  const again = await upload(hub, token, op);
  expect([again.status, again.json.item.op_id]).toEqual([200, op.id]);
  const other = testOp(hub, { params: { argv: ["/bin/false"], timeout_s: 60 }, id: op.id });
  expect([(await upload(hub, token, other)).json.code, other.id]).toEqual(["conflict", op.id]);
  expect((await hub.ask("GET", "/api/v1/ops", { token })).json.items).toHaveLength(1);
  expect(await events(hub, token)).toEqual(["op.queued"]);
});

test("what every box would refuse is refused at the upload, by the check that found it", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  await boxes(hub, "web");
  const code = async (op: TestOp) => (await upload(hub, token, op)).json.code;
  const now = hub.world.clock.wallMs();
  expect(await code(testOp(hub, { keys: [testKey("a stranger")] }))).toBe("key_unknown");
  expect(await code({ ...testOp(hub), envelope: { ...testOp(hub).envelope, signatures: testOp(hub).envelope.signatures } })).toBe("key_unknown");
  expect(await code(testOp(hub, { issuedAt: now + 3_600_000 }))).toBe("from_future");
  expect(await code(testOp(hub, { issuedAt: now - 2_000, lifetimeMs: 1_000 }))).toBe("expired");
  expect(await code(testOp(hub, { target: { expr: 'label.site == "moon"' } }))).toBe("op_target_mismatch");
  expect((await upload(hub, await hub.token("viewer"), testOp(hub))).status).toBe(403);
  expect((await hub.ask("GET", "/api/v1/ops", { token })).json.items).toEqual([]);
  const refused = (await hub.ask("GET", "/api/v1/audit", { token })).json.items.filter((item: Json) => item.action === "op.upload");
  expect(refused.map((item: Json) => item.outcome)).toEqual(["op_target_mismatch", "expired", "from_future", "key_unknown", "key_unknown"]);
});

test("a kind that needs no signature comes without one", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const [web] = [one(await boxes(hub, "web"))];
  const op = testOp(hub, { kind: "ping", params: {}, lifetimeMs: 60_000, keys: [] });
  expect((await upload(hub, token, op)).json.item.state).toBe("signed");
  expect(opsIn((await web.sync()).json)).toEqual([op.id]);
  expect((await upload(hub, token, testOp(hub, { keys: [] }))).json.code).toBe("key_unknown");
});

test("a draft collects signatures until its class's threshold; only those that count are kept", async () => {
  const [a, b] = [testKey("operator a"), testKey("operator b")];
  using hub = await testHub();
  const token = await hub.logIn();
  await twoOperators(hub, token, [a, b]);
  const web = one(await boxes(hub, "web"));
  const op = testOp(hub, { keys: [a] });
  const draft = await hub.ask("POST", "/api/v1/ops/drafts", { token, body: { payload: base64(op.bytes), note: "for the audit" } });
  expect([draft.status, draft.json.item.state, draft.json.item.signatures, draft.json.item.note]).toEqual([201, "draft", [], "for the audit"]);
  const sign = (keys: TestOp) => hub.ask("POST", `/api/v1/ops/${op.id}/signatures`, { token, body: keys.envelope.signatures[0] });
  expect((await sign({ ...op, envelope: testOp(hub, { keys: [a] }).envelope })).json.code).toBe("signature_bad");
  expect((await sign(signedBy(op, testKey("a stranger")))).json.code).toBe("key_unknown");
  const half = await sign(op);
  expect([half.status, half.json.item.state, half.json.item.signatures]).toEqual([200, "pending", op.envelope.signatures]);
  expect((await sign(op)).json.item.signatures).toHaveLength(1);
  expect(opsIn((await web.sync()).json)).toEqual([]);
  expect((await hub.ask("GET", "/api/v1/ops?state=draft,pending", { token })).json.items.map((item: Json) => item.op_id)).toEqual([op.id]);
  const whole = await sign(signedBy(op, b));
  expect([whole.json.item.state, whole.json.item.signatures.length, whole.json.item.total]).toEqual(["signed", 2, 1]);
  expect(opsIn((await web.sync()).json)).toEqual([op.id]);
  expect(await events(hub, token)).toEqual(["op.drafted", "op.queued"]);
  const late = testOp(hub, { keys: [a], lifetimeMs: 60_000 });
  await upload(hub, token, late);
  expect((await show(hub, token, late.id)).state).toBe("pending");
  await turnAt(hub, 60_000);
  expect((await show(hub, token, late.id)).state).toBe("expired");
  expect((await hub.ask("POST", `/api/v1/ops/${late.id}/signatures`, { token, body: signedBy(late, b).envelope.signatures[0] })).json.code).toBe("conflict");
});

test("of two last signatures at the same moment both count and the op is queued once", async () => {
  const [a, b, c] = [testKey("operator a"), testKey("operator b"), testKey("operator c")];
  using hub = await testHub();
  const token = await hub.logIn();
  await twoOperators(hub, token, [a, b, c]);
  await boxes(hub, "web");
  const op = testOp(hub, { keys: [a] });
  await upload(hub, token, op);
  const both = await Promise.all(
    [b, c].map((key) => hub.ask("POST", `/api/v1/ops/${op.id}/signatures`, { token, body: signedBy(op, key).envelope.signatures[0] })),
  );
  expect(both.map(({ status }) => status)).toEqual([200, 200]);
  expect((await show(hub, token, op.id)).state).toBe("signed");
  expect((await events(hub, token)).filter((kind) => kind === "op.queued")).toHaveLength(1);
});

test("whom an expression means is decided on certificates and newest facts, at the acceptance and never later", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const web = await new TestBox(hub, "web").enroll();
  const edge = new TestBox(hub, "edge");
  await edge.ask();
  await edge.approve({ labels: { site: "kovacs" } });
  await edge.collect();
  await web.sync({ outbox: [{ seq: 1, kind: "facts", body: web.facts({ os: "debian" }) }] });
  const meant = async (expr: string) => {
    const op = testOp(hub, { target: { expr } });
    const reply = await upload(hub, token, op);
    return reply.status === 201 ? Object.keys(await targets(hub, token, op.id)).toSorted() : reply.json.code;
  };
  expect(await meant("true")).toEqual(["edge", "web"]);
  expect(await meant('has(label.site) && label.site == "kovacs"')).toEqual(["edge"]);
  expect(await meant('has(fact.os) && fact.os == "debian"')).toEqual(["web"]);
  expect(await meant(`host.id in ["${web.keys.hostId}", "${edge.keys.hostId}"]`)).toEqual(["edge", "web"]);
  expect(await meant('host.name == "nobody"')).toBe("op_target_mismatch");
  const op = testOp(hub);
  await upload(hub, token, op);
  const late = await new TestBox(hub, "late").enroll();
  expect(opsIn((await late.sync()).json)).toEqual([]);
  expect(await targets(hub, token, op.id)).toEqual({ edge: "waiting", web: "waiting" });
  // It found itself meant, on another way: stored and shown, not counted.
  await late.sync({ outbox: [returnItem(1, answer(late, op))] });
  expect((await returns(hub, token, op.id)).map((item) => item.host_id)).toEqual([late.keys.hostId]);
  expect((await show(hub, token, op.id)).total).toBe(2);
});

test("an op is offered until the box answers: at once when the reply was lost, once a minute when the box has it", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const web = one(await boxes(hub, "web"));
  web.says = { ...web.says, ledger: { generation: 0 } };
  const op = testOp(hub);
  await upload(hub, token, op);
  expect(opsIn((await web.sync()).json)).toEqual([op.id]);
  expect(opsIn((await web.sync()).json)).toEqual([]);
  await hub.world.clock.advance(2_000);
  expect(opsIn((await web.sync()).json)).toEqual([op.id]);
  await hub.world.clock.advance(10_000);
  web.says = { ...web.says, ledger: { generation: 1 } };
  expect(opsIn((await web.sync()).json)).toEqual([]);
  await hub.world.clock.advance(60_000);
  expect(opsIn((await web.sync()).json)).toEqual([op.id]);
  await web.sync({ outbox: [returnItem(1, answer(web, op, { state: "running" }))] });
  await hub.world.clock.advance(600_000);
  expect(opsIn((await web.sync()).json)).toEqual([]);
});

test("J03: a hub that dies after giving an op gives it again; the box's first answer is its only one", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const web = one(await boxes(hub, "web"));
  const op = testOp(hub);
  await upload(hub, token, op);
  expect(opsIn((await web.sync()).json)).toEqual([op.id]);
  await hub.restart();
  expect(await targets(hub, token, op.id)).toEqual({ web: "delivered" });
  expect(opsIn((await web.sync()).json)).toEqual([op.id]);
  // The box knows it and says its one answer again.
  const said = answer(web, op);
  await web.sync({ outbox: [returnItem(1, said)] });
  await web.sync({ outbox: [returnItem(2, said)] });
  await hub.restart();
  expect([await targets(hub, token, op.id), (await show(hub, token, op.id)).state, (await returns(hub, token, op.id)).length]).toEqual([
    { web: "returned" },
    "done",
    1,
  ]);
  expect(opsIn((await web.sync()).json)).toEqual([]);
});

test("J04: an answer that comes a thousand times, out of order and after the end, is one transition and one record", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const web = one(await boxes(hub, "web"));
  const op = testOp(hub);
  await upload(hub, token, op);
  await web.sync();
  const final = answer(web, op, { part: 3 });
  const parts = [2, 0, 1].map((part) => answer(web, op, { state: "running", part }));
  let seq = 0;
  for (let batch = 0; batch < 20; batch += 1) {
    const bodies = Array.from({ length: 50 }, (_, at) => (at % 5 === 0 ? final : (parts[at % 3] ?? final)));
    await web.sync({ outbox: bodies.map((body) => returnItem((seq += 1), body)) });
  }
  const item = await show(hub, token, op.id);
  expect([item.state, item.counts.returned, (await returns(hub, token, op.id)).length]).toEqual(["done", 1, 4]);
  expect((await events(hub, token)).filter((kind) => kind === "op.finished")).toHaveLength(1);
  const other = answer(web, op, { part: 4, state: "failed", code: "changed-its-mind" });
  await web.sync({ outbox: [returnItem((seq += 1), other)] });
  expect([(await show(hub, token, op.id)).state, (await returns(hub, token, op.id)).length]).toEqual(["done", 5]);
});

test("J05: what one box was given is no other's, whatever becomes of that box, and not that box's a second time after its time", async () => {
  using hub = await testHub();
  const token = await hub.token("operator");
  const all = await boxes(hub, "web", "db");
  const [web, db] = [one(all), one(all, 1)];
  const op = testOp(hub, { target: { host_id: web.keys.hostId } });
  await upload(hub, token, op);
  expect(opsIn((await web.sync()).json)).toEqual([op.id]);
  // Cut off: it says nothing more, until long after the op's time.
  await turnAt(hub, DAY_MS - 1_000);
  expect(opsIn((await db.sync()).json)).toEqual([]);
  await turnAt(hub, DAY_MS);
  expect([await targets(hub, token, op.id), (await show(hub, token, op.id)).state]).toEqual([{ web: "silent" }, "failed"]);
  expect([opsIn((await db.sync()).json), opsIn((await web.sync()).json)]).toEqual([[], []]);
  // Somebody else's answer to it is none.
  await db.sync({ outbox: [returnItem(1, answer(db, op))] });
  expect(await targets(hub, token, op.id)).toEqual({ web: "silent" });
  await web.sync({ outbox: [returnItem(1, answer(web, op))] });
  expect((await targetItems(hub, token, op.id)).map(({ state, late_state }) => [state, late_state])).toEqual([["silent", "returned"]]);
});

test("J08: a cancel before the box has it is the hub's, after that the box's; hub and box say the same", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const all = await boxes(hub, "web", "db", "app");
  const [web, db] = [one(all), one(all, 1)];
  const op = testOp(hub);
  await upload(hub, token, op);
  expect(opsIn((await web.sync()).json)).toEqual([op.id]);
  expect(opsIn((await db.sync()).json)).toEqual([op.id]);
  const asked = await cancel(hub, token, op.id);
  expect([asked.status, asked.json.item.cancel_asked, asked.json.item.state]).toEqual([200, true, "delivered"]);
  expect(await targets(hub, token, op.id)).toEqual({ web: "delivered", db: "delivered", app: "cancelled" });
  // Not offered any more, asked back; also after a restart.
  await hub.restart();
  expect((await web.sync()).json).toMatchObject({ cancelled: [op.id] });
  expect(opsIn((await web.sync()).json)).toEqual([]);
  await web.sync({ outbox: [returnItem(1, answer(web, op))] });
  await db.sync({ outbox: [returnItem(1, answer(db, op, { state: "cancelled" }))] });
  expect([await targets(hub, token, op.id), (await show(hub, token, op.id)).state]).toEqual([
    { web: "returned", db: "cancelled", app: "cancelled" },
    "cancelled",
  ]);
  expect((await cancel(hub, token, op.id)).status).toBe(200);
  expect((await web.sync()).json.cancelled).toBeUndefined();
  const done = testOp(hub, { target: { host_id: web.keys.hostId } });
  await upload(hub, token, done);
  await web.sync();
  await web.sync({ outbox: [returnItem(2, answer(web, done))] });
  expect((await cancel(hub, token, done.id)).json.code).toBe("conflict");
});

test("J08: a cancel and the giving of an op at the same moment: the box has it and answers, or never had it (200 races)", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const web = one(await boxes(hub, "web"));
  const seen = new Set<string>();
  for (let race = 0; race < 200; race += 1) {
    const op = testOp(hub);
    await upload(hub, token, op);
    const [given, asked] =
      race % 2 === 0 ? await Promise.all([web.sync(), cancel(hub, token, op.id)]) : (await Promise.all([cancel(hub, token, op.id), web.sync()])).toReversed();
    expect(asked?.status).toBe(200);
    const hasIt = opsIn(given?.json).includes(op.id);
    const state = (await targets(hub, token, op.id))["web"];
    // `delivered` without the box having it is allowed: it may have had it. `cancelled` while it has it is not.
    expect([race, hasIt ? "delivered" : "cancelled", "delivered"]).toContain(state ?? "");
    if (hasIt) expect([race, state]).toEqual([race, "delivered"]);
    seen.add(`${hasIt} ${state}`);
    if (state === "delivered") await web.sync({ outbox: [returnItem(race + 1, answer(web, op, { state: hasIt ? "done" : "cancelled" }))] });
  }
  expect(seen.size).toBeGreaterThan(0);
});

test("O08: of 500 targets 20 are away: those run it when they come back in time, and expire when they do not; each ends in exactly one state", async () => {
  using hub = await testHub();
  const all: TestBox[] = [];
  for (let n = 0; n < 500; n += 1) all.push(await new TestBox(hub, `box-${n}`).enroll());
  const token = await hub.token("operator");
  const op = testOp(hub);
  expect((await upload(hub, token, op)).json.item.total).toBe(500);
  const [here, away] = [all.slice(20), all.slice(0, 20)];
  await Promise.all(
    here.map(async (box) => {
      expect(opsIn((await box.sync()).json)).toEqual([op.id]);
      await box.sync({ outbox: [returnItem(1, answer(box, op))] });
    }),
  );
  expect((await show(hub, token, op.id)).counts).toMatchObject({ returned: 480, waiting: 20 });
  await turnAt(hub, DAY_MS - 60_000);
  for (const box of away.slice(0, 7)) {
    expect(opsIn((await box.sync()).json)).toEqual([op.id]);
    await box.sync({ outbox: [returnItem(1, answer(box, op))] });
  }
  expect(opsIn((await one(away, 7).sync()).json)).toEqual([op.id]);
  await turnAt(hub, 60_000);
  expect((await show(hub, token, op.id)).counts).toMatchObject({ returned: 487, delivered: 1, expired: 12 });
  expect(opsIn((await one(away, 12).sync()).json)).toEqual([]);
  await turnAt(hub, DAY_MS);
  const over = await show(hub, token, op.id);
  expect([over.state, over.counts.silent, over.counts.expired, over.counts.returned]).toEqual(["failed", 1, 12, 487]);
  // It answers after all: its state stays as it was told, its answer is there.
  await one(away, 7).sync({ outbox: [returnItem(1, answer(one(away, 7), op))] });
  const late = (await hub.ask("GET", `/api/v1/ops/${op.id}/targets?state=silent`, { token })).json.items;
  expect(late.map((item: Json) => [item.name, item.code, item.late_state])).toEqual([["box-7", "no_answer", "returned"]]);
  expect((await hub.ask("GET", `/api/v1/ops/${op.id}/returns?host=${one(away, 7).keys.hostId}`, { token })).json.items).toHaveLength(1);
}, 240_000);

const signedBy = (op: TestOp, key: ReturnType<typeof testKey>): TestOp => op.signedBy(key);
