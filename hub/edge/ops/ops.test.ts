import { expect, test } from "bun:test";
import { TestBox } from "../../../shared/sim/test-box.ts";
import { type TestHub, testHub } from "../../../shared/sim/test-hub.ts";
import { answer, opsIn, returnItem, testOp, upload } from "../../../shared/sim/test-hub-op.ts";

async function boxes(hub: TestHub, ...names: readonly string[]): Promise<readonly TestBox[]> {
  const all: TestBox[] = [];
  for (const name of names) {
    const box = await new TestBox(hub, name).enroll();
    await box.sync(); // the first use of a credential is answered at once
    all.push(box);
  }
  return all;
}

const show = async (hub: TestHub, token: string, id: string) => (await hub.ask("GET", `/api/v1/ops/${id}`, { token })).json.item;
const targets = async (hub: TestHub, token: string, id: string) =>
  Object.fromEntries(
    (await hub.ask("GET", `/api/v1/ops/${id}/targets`, { token })).json.items.map((item: { name: string; state: string }) => [item.name, item.state]),
  );

test("an op is queued, given to a held sync at once, answered, and done when all answered", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const [web, db] = await boxes(hub, "web", "db");
  if (web === undefined || db === undefined) throw new Error("two boxes");
  const held = web.sync({ wait_ms: 55_000 });
  while (hub.hub.courier.held === 0) await new Promise((resolve) => setImmediate(resolve));
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
  const returns = (await hub.ask("GET", `/api/v1/ops/${op.id}/returns`, { token })).json.items;
  expect(returns.map((item: { host_id: string }) => item.host_id)).toEqual([web.keys.hostId, web.keys.hostId, db.keys.hostId]);
  expect((await hub.ask("GET", `/api/v1/ops/${op.id}/returns?since=${returns[1].seq}`, { token })).json.items).toHaveLength(1);
});
