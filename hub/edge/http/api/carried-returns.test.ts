import { expect, test } from "bun:test";
import { TestBox } from "../../../../shared/sim/test-box.ts";
import { testKey } from "../../../../shared/sim/test-fleet.ts";
import { type TestHub, testHub } from "../../../../shared/sim/test-hub.ts";
import { answer, opsIn, returnItem, testOp, upload } from "../../../../shared/sim/test-hub-op.ts";
import type { Envelope } from "../../../../shared/trust/envelope.ts";

/** Answers that came on a stick: what the hub takes from whoever carries them, and what it does not. */

// oxlint-disable-next-line typescript/no-explicit-any -- wire JSON, as the test reads it
type Json = any;

async function boxes(hub: TestHub, ...names: readonly string[]): Promise<readonly TestBox[]> {
  const all: TestBox[] = [];
  for (const name of names) all.push(await new TestBox(hub, name).enroll());
  return all;
}
function one<T>(all: readonly T[], at = 0): T {
  const item = all[at];
  if (item === undefined) throw new Error("nothing there");
  return item;
}
const carry = (hub: TestHub, token: string, ...envelopes: readonly Envelope[]) => hub.ask("POST", "/api/v1/returns", { token, body: { envelopes } });
const states = async (hub: TestHub, token: string, id: string): Promise<Readonly<Record<string, string>>> =>
  Object.fromEntries((await hub.ask("GET", `/api/v1/ops/${id}/targets`, { token })).json.items.map((item: Json) => [item.name, item.state]));
const records = async (hub: TestHub, token: string, id: string): Promise<readonly Json[]> =>
  (await hub.ask("GET", `/api/v1/ops/${id}/returns`, { token })).json.items;
const opState = async (hub: TestHub, token: string, id: string): Promise<string> => (await hub.ask("GET", `/api/v1/ops/${id}`, { token })).json.item.state;
const audit = async (hub: TestHub, token: string): Promise<readonly Json[]> =>
  (await hub.ask("GET", "/api/v1/audit", { token })).json.items.filter((item: Json) => item.action === "return.upload");

test("a carried answer ends its host's part of the job; what the box says itself later is the same record", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const web = one(await boxes(hub, "web"));
  const op = testOp(hub);
  await upload(hub, token, op);
  const said = [answer(web, op, { state: "running", part: 0 }), answer(web, op, { part: 1 })];
  const taken = await carry(hub, token, ...said);
  expect([taken.status, taken.json.kind, taken.json.item]).toEqual([201, "CarriedReturns", { taken: 2, known: 0, ops_missing: [] }]);
  expect([await states(hub, token, op.id), await opState(hub, token, op.id)]).toEqual([{ web: "returned" }, "done"]);
  const again = await carry(hub, token, ...said);
  expect([again.status, again.json.item]).toEqual([200, { taken: 0, known: 2, ops_missing: [] }]);
  // It is online again, and is not given what it has done.
  const back = await web.sync({ outbox: said.map((body, at) => returnItem(at + 1, body)) });
  expect([back.json.acked_seq, opsIn(back.json)]).toEqual([2, []]);
  expect(await records(hub, token, op.id)).toHaveLength(2);
  const finished = (await hub.ask("GET", "/api/v1/events?since=0&kind=op.finished", { token })).json.items;
  expect(finished).toHaveLength(1);
  const rows = await audit(hub, token);
  expect(rows.map(({ target, outcome, data }) => [target, outcome, JSON.parse(data)])).toEqual([
    [`op ${op.id}`, "done", { hosts: web.keys.hostId, ops: op.id, taken: 2, known: 0 }],
  ]);
});

test("first the box and then the stick, or at the same moment: one record", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const [web, db] = await boxes(hub, "web", "db");
  if (web === undefined || db === undefined) throw new Error("two boxes");
  const op = testOp(hub);
  await upload(hub, token, op);
  const [mine, theirs] = [answer(web, op), answer(db, op)];
  await web.sync({ outbox: [returnItem(1, mine)] });
  expect((await carry(hub, token, mine)).json.item).toEqual({ taken: 0, known: 1, ops_missing: [] });
  await Promise.all([db.sync({ outbox: [returnItem(1, theirs)] }), carry(hub, token, theirs), carry(hub, token, theirs)]);
  expect((await records(hub, token, op.id)).map(({ host_id }) => host_id)).toEqual([web.keys.hostId, db.keys.hostId]);
  expect(await opState(hub, token, op.id)).toBe("done");
});

test("attack 72: whose an answer is, its signature says; what does not verify is refused with its code, and nothing of its batch is taken", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const [web, db] = await boxes(hub, "web", "db");
  if (web === undefined || db === undefined) throw new Error("two boxes");
  const op = testOp(hub);
  await upload(hub, token, op);
  const good = answer(web, op);
  const stranger = answer(web, op, {}, testKey("a stranger"));
  const forOther = answer(web, op, { host_id: db.keys.hostId });
  const altered = { ...good, payload: answer(web, op, { exit: 7 }).payload };
  const unknown = answer(new TestBox(hub, "nobody"), op);
  const otherFleet = answer(web, op, { fleet_id: "f-aaaaaaaaaaaaaaaa" as typeof hub.fleet.root.payload.fleet_id });
  for (const [envelope, code] of [
    [stranger, "key_unknown"],
    [forOther, "key_unknown"],
    [altered, "signature_bad"],
    [unknown, "key_unknown"],
    [op.envelope, "key_unknown"],
    [otherFleet, "fleet_mismatch"],
  ] as const) {
    const reply = await carry(hub, token, good, envelope);
    expect([reply.status, reply.json.code]).toEqual([422, code]);
    expect(reply.json.detail).toContain("record 2 of 2");
  }
  expect(await states(hub, token, op.id)).toEqual({ web: "waiting", db: "waiting" });
  expect(await records(hub, token, op.id)).toEqual([]);
  expect((await audit(hub, token)).map(({ outcome }) => outcome)).toEqual([
    "fleet_mismatch",
    "key_unknown",
    "key_unknown",
    "signature_bad",
    "key_unknown",
    "key_unknown",
  ]);
  expect((await carry(hub, await hub.token("viewer"), good)).status).toBe(403);
  expect((await carry(hub, web.credential, good)).status).toBe(401);
  await hub.ask("POST", `/api/v1/hosts/${db.keys.hostId}/revoke`, { token, body: {} });
  expect((await carry(hub, token, answer(db, op))).json.code).toBe("host_revoked");
  expect((await carry(hub, await hub.token("operator"), good)).status).toBe(201);
});

test("an answer to other bytes than the op's is kept, and turns nothing", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const web = one(await boxes(hub, "web"));
  const op = testOp(hub);
  await upload(hub, token, op);
  const other = testOp(hub, { params: { argv: ["/bin/false"], timeout_s: 60 }, id: op.id });
  expect((await carry(hub, token, answer(web, other))).status).toBe(201);
  expect(await states(hub, token, op.id)).toEqual({ web: "waiting" });
  expect((await hub.ask("GET", "/api/v1/events?since=0&kind=op.failed", { token })).json.items[0].data).toMatchObject({ op_id: op.id, code: "op_mismatch" });
});

test("an op that the hub has never seen: its answers wait for it, and count when it comes", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const [web, db] = await boxes(hub, "web", "db");
  if (web === undefined || db === undefined) throw new Error("two boxes");
  const op = testOp(hub);
  const first = await carry(hub, token, answer(web, op), answer(db, op, { state: "failed", code: "exit" }));
  expect([first.status, first.json.item]).toEqual([201, { taken: 2, known: 0, ops_missing: [op.id] }]);
  await hub.restart();
  expect((await upload(hub, token, op)).json.item).toMatchObject({ state: "failed", total: 2 });
  expect(await states(hub, token, op.id)).toEqual({ web: "returned", db: "failed" });
  expect(opsIn((await web.sync()).json)).toEqual([]);
  expect((await carry(hub, token, answer(web, op))).json.item).toEqual({ taken: 0, known: 1, ops_missing: [] });
});

test("it comes home after the op's validity: the state stays as it was told, the answer stands beside it", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const web = one(await boxes(hub, "web"));
  const op = testOp(hub, { lifetimeMs: 60_000 });
  await upload(hub, token, op);
  const said = answer(web, op);
  await hub.world.clock.advance(61_000);
  await hub.hub.jobs.turn();
  expect(await states(hub, token, op.id)).toEqual({ web: "expired" });
  expect((await carry(hub, token, said)).status).toBe(201);
  const [item] = (await hub.ask("GET", `/api/v1/ops/${op.id}/targets`, { token })).json.items;
  expect([item.state, item.late_state]).toEqual(["expired", "returned"]);
});

test("a carried answer is no sign of life", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const web = one(await boxes(hub, "web"));
  await web.sync();
  const seen = async (): Promise<number> => (await hub.ask("GET", `/api/v1/hosts/${web.keys.hostId}`, { token })).json.item.last_seen_at;
  const before = await seen();
  const op = testOp(hub);
  await upload(hub, token, op);
  await hub.world.clock.advance(3_600_000);
  await carry(hub, token, answer(web, op));
  expect(await seen()).toBe(before);
});
