/** Jobs over time: pacing, restarts, what goes wrong inside, what is followed, what is forgotten. */
import { expect, test } from "bun:test";
import { copyFileSync, rmSync } from "node:fs";
import { TestBox } from "../../../shared/sim/test-box.ts";
import { testHost } from "../../../shared/sim/test-fleet.ts";
import { type TestHub, testHub } from "../../../shared/sim/test-hub.ts";
import { answer, DAY_MS, opsIn, returnItem, testOp, upload } from "../../../shared/sim/test-hub-op.ts";
import { databasePath } from "../store/open.ts";
import { sweep } from "../retention/sweep.ts";
import { CROWD_ABOVE, CROWD_WAIT_MS_MAX } from "../sync/sync.ts";

// oxlint-disable-next-line typescript/no-explicit-any -- wire JSON, as the test reads it
type Json = any;

async function boxes(hub: TestHub, ...names: readonly string[]): Promise<readonly TestBox[]> {
  const all: TestBox[] = [];
  for (const name of names) all.push(await new TestBox(hub, name).enroll());
  for (const box of all) await box.sync();
  return all;
}
const one = (all: readonly TestBox[], at = 0): TestBox => {
  const box = all[at];
  if (box === undefined) throw new Error("a box");
  return box;
};
const show = async (hub: TestHub, token: string, id: string): Promise<Json> => (await hub.ask("GET", `/api/v1/ops/${id}`, { token })).json.item;
const targets = async (hub: TestHub, token: string, id: string): Promise<Readonly<Record<string, string>>> =>
  Object.fromEntries((await hub.ask("GET", `/api/v1/ops/${id}/targets`, { token })).json.items.map((item: Json) => [item.name, item.state]));
const count = (hub: TestHub, table: string) => hub.hub.store.read((db) => db.get<{ n: number }>("test", `SELECT count(*) AS n FROM ${table}`)?.n);
const turnAfter = async (hub: TestHub, ms: number): Promise<void> => {
  await hub.world.clock.advance(ms);
  await hub.hub.jobs.turn();
};

test("canaries first, then batches with a pause; a restart in between changes nothing", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const all = await boxes(hub, "a", "b", "c", "d");
  const op = testOp(hub);
  const canary = one(all, 2);
  const pacing = { canaries: [canary.keys.hostId], batch: 2, pause_s: 30, seed: "7f1" };
  expect((await upload(hub, token, op, pacing)).json.item.pacing).toEqual(pacing);
  const waiting = async () =>
    Object.entries(await targets(hub, token, op.id))
      .filter(([, state]) => state === "waiting")
      .map(([name]) => name);
  expect(await waiting()).toEqual(["c"]);
  for (const box of all) if (box !== canary) expect(opsIn((await box.sync()).json)).toEqual([]);
  expect(opsIn((await canary.sync()).json)).toEqual([op.id]);
  await canary.sync({ outbox: [returnItem(1, answer(canary, op))] });
  await turnAfter(hub, 29_999);
  expect(await waiting()).toEqual([]);
  await hub.restart();
  await turnAfter(hub, 1);
  const second = await waiting();
  expect(second).toHaveLength(2);
  for (const box of all.filter(({ name }) => second.includes(name))) {
    expect(opsIn((await box.sync()).json)).toEqual([op.id]);
    await box.sync({ outbox: [returnItem(1, answer(box, op))] });
  }
  await hub.restart();
  await turnAfter(hub, 30_000);
  const last = all.find(({ name }) => name !== "c" && !second.includes(name)) ?? canary;
  expect(opsIn((await last.sync()).json)).toEqual([op.id]);
  await last.sync({ outbox: [returnItem(1, answer(last, op))] });
  expect((await show(hub, token, op.id)).state).toBe("done");
});

/** As many boxes, all given one op at this moment. */
async function crowd(hub: TestHub, size: number) {
  const all = await boxes(hub, ...Array.from({ length: size }, (_, at) => `box-${at}`));
  // What they needed to get in is no part of it.
  await hub.world.clock.advance(60_000);
  const op = testOp(hub);
  await upload(hub, await hub.logIn(), op);
  for (const box of all) expect(opsIn((await box.sync()).json)).toEqual([op.id]);
  const nextMs = async (at: number, seq: number, changes: Parameters<typeof answer>[2] = {}): Promise<number> =>
    (await one(all, at).sync({ outbox: [returnItem(seq, answer(one(all, at), op, changes))] })).json.next_ms;
  return nextMs;
}

test("after an op for a crowd, who has answered all that it was given comes back when the others had their turn", async () => {
  using hub = await testHub();
  const nextMs = await crowd(hub, CROWD_ABOVE + 30);
  // 80 were given it, and 50 are no crowd: half a millisecond for each of the other 30.
  expect(await nextMs(0, 1)).toBe(15);
  expect(await nextMs(1, 1, { state: "running" })).toBe(0);
  expect(await nextMs(1, 2, { part: 1 })).toBe(15);
  await hub.world.clock.advance(14);
  expect(await nextMs(2, 1)).toBe(1);
  await hub.world.clock.advance(1);
  expect(await nextMs(3, 1)).toBe(0);
});

test("a few boxes never wait, and nobody in a crowd for longer than a second", async () => {
  using few = await testHub();
  expect(await (await crowd(few, CROWD_ABOVE))(0, 1)).toBe(0);
  using slow = await testHub({ limits: { syncsPerSecond: 100 } });
  expect(await (await crowd(slow, CROWD_ABOVE + 120))(0, 1)).toBe(CROWD_WAIT_MS_MAX);
});

test("one failure too many stops the rest; what a box has answers for itself", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const all = await boxes(hub, "a", "b", "c");
  const op = testOp(hub);
  await upload(hub, token, op, { batch: 1, max_fail: 0, seed: "x" });
  const first = all.find((box) => hub.hub.hosts.get(box.keys.hostId)?.ops !== undefined) ?? one(all);
  await first.sync();
  await first.sync({ outbox: [returnItem(1, answer(first, op, { state: "failed", code: "exit" }))] });
  const over = await show(hub, token, op.id);
  expect([over.state, over.counts.failed, over.counts.cancelled]).toEqual(["failed", 1, 2]);
  const stopped = (await hub.ask("GET", "/api/v1/events?kind=op.stopped", { token })).json.items;
  expect(stopped.map((item: Json) => item.data.because)).toEqual(["max_fail"]);
  for (const box of all) expect(opsIn((await box.sync()).json)).toEqual([]);
});

test("a newer op of a kind that is replaced takes the place of what no box has yet", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const all = await boxes(hub, "a", "b");
  const wish = { kind: "converge.now", params: {} };
  const [older, newer, other] = [testOp(hub, wish), testOp(hub, wish), testOp(hub)];
  await upload(hub, token, older);
  await upload(hub, token, other);
  expect(opsIn((await one(all).sync()).json)).toEqual([older.id, other.id]);
  await upload(hub, token, newer);
  expect(await targets(hub, token, older.id)).toEqual({ a: "delivered", b: "cancelled" });
  expect(opsIn((await one(all, 1).sync()).json)).toEqual([other.id, newer.id]);
});

test("a kind that is dropped is not kept for a box that is away", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const here = one(await boxes(hub, "here"));
  await new TestBox(hub, "never-seen").enroll();
  const op = testOp(hub, { kind: "ping", params: {}, lifetimeMs: 300_000 });
  await upload(hub, token, op);
  expect(await targets(hub, token, op.id)).toEqual({ here: "waiting", "never-seen": "silent" });
  await turnAfter(hub, 60_000);
  expect([await targets(hub, token, op.id), (await show(hub, token, op.id)).state]).toEqual([{ here: "silent", "never-seen": "silent" }, "failed"]);
  expect(opsIn((await here.sync()).json)).toEqual([]);
});

test("J10: of 1 000 jobs one that can't be turned is put aside and said; the others flow", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const web = one(await boxes(hub, "web"));
  const ops = Array.from({ length: 1_000 }, () => testOp(hub, { lifetimeMs: 60_000 }));
  for (const op of ops) await upload(hub, token, op);
  const poisoned = ops[3]?.id ?? "";
  await hub.hub.store.write("test.poison", (tx) => tx.db.run("test", "UPDATE ops SET job = 'not JSON' WHERE op_id = ?", poisoned));
  await hub.world.clock.advance(60_000);
  for (let turn = 0; turn < 12; turn += 1) await hub.hub.jobs.turn();
  const states = await hub.hub.store.read((db) =>
    db.all<{ state: string; n: number }>("test", "SELECT state, count(*) AS n FROM ops GROUP BY state ORDER BY state"),
  );
  expect(states).toEqual([
    { state: "expired", n: 999 },
    { state: "signed", n: 1 },
  ]);
  for (let strike = 0; strike < 20; strike += 1) await turnAfter(hub, 5_000);
  const said = hub.world.logged.filter(({ event }) => event === "ops.failed").length;
  // Five tries, then one in ten minutes.
  expect(said).toBeLessThanOrEqual(6);
  // The operator still sees it, counted from its rows, and the hub starts with it.
  await hub.restart();
  expect((await show(hub, token, poisoned)).counts).toMatchObject({ waiting: 1 });
  // Answers to others flow past it, and so does the rest of this box's outbox.
  const next = testOp(hub);
  await upload(hub, token, next);
  await web.sync();
  const told = await web.sync({
    outbox: [returnItem(1, answer(web, { id: poisoned, sha256: ops[3]?.sha256 ?? next.sha256 })), returnItem(2, answer(web, next))],
  });
  expect([told.json.acked_seq, (await show(hub, token, next.id)).state]).toEqual([2, "done"]);
}, 240_000);

test("J10: records that are not what they should be are kept, change nothing, and keep nothing back", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const all = await boxes(hub, "web", "db");
  const [web, db] = [one(all), one(all, 1)];
  const op = testOp(hub);
  await upload(hub, token, op);
  await web.sync();
  const good = answer(web, op);
  const other = testOp(hub);
  const bad = [
    answer(db, op), // another host's, signed by it
    answer(web, op, {}, db.keys.signingKey), // signed by another key
    answer(web, { id: op.id, sha256: other.sha256 }), // moved from another op
    { ...good, payload: Buffer.from("{}").toString("base64") },
    { ...good, payload: "====" },
    { ...good, signatures: [{ keyid: "x", sig: "y" }] },
    web.report(),
  ];
  const told = await web.sync({ outbox: bad.map((body, at) => returnItem(at + 1, body)) });
  expect([told.json.acked_seq, await targets(hub, token, op.id)]).toEqual([bad.length, { web: "delivered", db: "waiting" }]);
  await web.sync({ outbox: [returnItem(99, good)] });
  expect(await targets(hub, token, op.id)).toEqual({ web: "returned", db: "waiting" });
  const kinds = (await hub.ask("GET", "/api/v1/events?kind=op.failed", { token })).json.items.map((item: Json) => item.data.code);
  expect(kinds).toContain("signature_bad");
  expect(kinds).toContain("op_mismatch");
});

test("J12: counters that went wrong in a crash are taken from the rows they count", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const web = one(await boxes(hub, "web"));
  await new TestBox(hub, "db").enroll();
  const op = testOp(hub);
  await upload(hub, token, op);
  await web.sync();
  await hub.hub.store.write("test.leak", (tx) =>
    tx.db.run("test", `UPDATE ops SET job = json_set(job, '$.counts.running', 7, '$.counts.delivered', 0, '$.batchOpen', 9) WHERE op_id = ?`, op.id),
  );
  expect((await show(hub, token, op.id)).counts.running).toBe(7);
  await hub.restart();
  expect((await show(hub, token, op.id)).counts).toMatchObject({ running: 0, delivered: 1, waiting: 1 });
  expect(hub.hub.jobs.open).toEqual([{ kind: "cmd.run", state: "delivered", count: 1 }]);
  expect(JSON.stringify(hub.hub.jobs.metrics())).toContain('{"kind":"cmd.run","needs":"answer"},"value":1');
  // Also while it runs: the answer is stored, and the next turn counts again.
  await hub.hub.store.write("test.leak", (tx) => tx.db.run("test", `UPDATE ops SET job = json_set(job, '$.counts.delivered', 0) WHERE op_id = ?`, op.id));
  expect((await web.sync({ outbox: [returnItem(1, answer(web, op))] })).json.acked_seq).toBe(1);
  await hub.hub.jobs.turn();
  expect((await show(hub, token, op.id)).counts).toMatchObject({ returned: 1, delivered: 0, waiting: 1 });
});

test("a restored hub asks for what its copy calls open; boxes say their one answer again, and nothing is issued anew", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const web = one(await boxes(hub, "web"));
  const op = testOp(hub);
  await upload(hub, token, op);
  await web.sync();
  const said = answer(web, op);
  await hub.hub.store.read((db) => db.copyTo("test", `${hub.world.dir}/old.db`));
  await web.sync({ outbox: [returnItem(1, said)] });
  expect((await show(hub, token, op.id)).state).toBe("done");
  await hub.hub.store.close();
  for (const end of ["-wal", "-shm"]) rmSync(`${databasePath(hub.world.dir)}${end}`, { force: true });
  copyFileSync(`${hub.world.dir}/old.db`, databasePath(hub.world.dir));
  await hub.restart();
  expect((await show(hub, token, op.id)).state).toBe("delivered");
  expect(opsIn((await web.sync()).json)).toEqual([op.id]);
  await web.sync({ outbox: [returnItem(1, said)] });
  expect([(await show(hub, token, op.id)).state, await count(hub, "op_returns")]).toEqual(["done", 1]);
});

test("answers that came before their op count when it comes: it went another way first", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const all = await boxes(hub, "web", "db");
  const web = one(all);
  const op = testOp(hub);
  await web.sync({ outbox: [returnItem(1, answer(web, op))] });
  expect((await hub.ask("GET", `/api/v1/ops/${op.id}/returns`, { token })).json.items).toHaveLength(1);
  await upload(hub, token, op);
  expect(await targets(hub, token, op.id)).toEqual({ web: "returned", db: "waiting" });
  expect(opsIn((await web.sync()).json)).toEqual([]);
  expect(await count(hub, "op_returns WHERE is_known = 0")).toBe(0);
});

test("answers to ops that are not here are bounded per host", async () => {
  using hub = await testHub();
  const web = one(await boxes(hub, "web"));
  let seq = 0;
  const op = testOp(hub);
  for (let batch = 0; batch < 11; batch += 1) {
    const outbox = Array.from({ length: 100 }, () => returnItem((seq += 1), answer(web, { id: op.id, sha256: op.sha256 }, { part: seq, state: "running" })));
    expect((await web.sync({ outbox })).json.acked_seq).toBe(seq);
  }
  expect(await count(hub, "op_returns")).toBe(1_000);
});

test("a record of ops that falls is an event, once, and the box is told what it once said", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const web = one(await boxes(hub, "web"));
  const sync = async (generation: number) => {
    web.says = { ...web.says, ledger: { generation } };
    return (await web.sync()).json.ledger_generation;
  };
  expect([await sync(5), await sync(9), await sync(9)]).toEqual([undefined, undefined, undefined]);
  await hub.restart();
  await web.sync();
  expect([await sync(4), await sync(4), await sync(5)]).toEqual([9, 9, 9]);
  const fell = (await hub.ask("GET", "/api/v1/events?kind=host.rolled-back", { token })).json.items;
  expect(fell.map((item: Json) => item.data)).toEqual([{ ledger: 4, ledger_before: 9 }]);
  expect([await sync(10), await sync(10)]).toEqual([undefined, undefined]);
});

test("the returns of an op are followed as they come, from where a follower was, until the op is over", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const all = await boxes(hub, "web", "db");
  const [web, db] = [one(all), one(all, 1)];
  const op = testOp(hub);
  await upload(hub, token, op);
  const response = await hub.fetch("GET", `/api/v1/ops/${op.id}/returns/stream`, { token });
  expect(response.headers.get("content-type")).toContain("text/event-stream");
  let text = "";
  const reading = (async () => {
    for await (const chunk of response.body ?? []) text += new TextDecoder().decode(chunk);
  })();
  for (const box of [web, db]) {
    await box.sync();
    await box.sync({ outbox: [returnItem(1, answer(box, op))] });
  }
  await reading;
  const seen = text.split("\n\n").flatMap((block) => {
    const event = /^event: (.+)$/m.exec(block)?.[1];
    return event === undefined ? [] : [{ event, id: /^id: (.+)$/m.exec(block)?.[1], data: JSON.parse(/^data: (.+)$/m.exec(block)?.[1] ?? "null") }];
  });
  expect(seen.filter(({ event }) => event === "return").map(({ data }) => data.host_id)).toEqual([web.keys.hostId, db.keys.hostId]);
  expect(seen.at(-1)).toMatchObject({ event: "op", data: { state: "done", total: 2, counts: { returned: 2 } } });
  expect(hub.hub.jobs.feed.followers).toBe(0);
  const again = await hub.fetch("GET", `/api/v1/ops/${op.id}/returns/stream`, {
    token,
    headers: { "last-event-id": seen.find(({ event }) => event === "return")?.id ?? "" },
  });
  expect((await again.text()).match(/^event: .+$/gm)).toEqual(["event: opened", "event: return", "event: op"]);
  expect((await hub.ask("GET", "/api/v1/ops/o-aaaaaaaaaaaaaaaa/returns/stream", { token })).status).toBe(404);
});

test("ops are listed newest first by state, a page at a time, and a page of large ones ends early", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  await boxes(hub, "web");
  const script = "x".repeat(250_000);
  const ops = Array.from({ length: 16 }, () => testOp(hub, { params: { script, interpreter: ["/bin/sh"], timeout_s: 60 } }));
  for (const op of ops) await upload(hub, token, op);
  const seen: string[] = [];
  let pages = 0;
  for (let path: string | undefined = "/api/v1/ops?state=active"; path !== undefined; pages += 1) {
    const { json } = await hub.ask("GET", path, { token });
    seen.push(...json.items.map((item: Json) => item.op_id));
    path = json.next === undefined ? undefined : `/api/v1/ops?state=active&cursor=${json.next}`;
  }
  expect(seen).toEqual(ops.map(({ id }) => id).toReversed());
  expect(pages).toBeGreaterThan(1);
  expect((await hub.ask("GET", "/api/v1/ops?state=done", { token })).json.items).toEqual([]);
  expect((await hub.ask("GET", "/api/v1/ops?state=sleeping", { token })).status).toBe(400);
});

test("what a reply holds is bounded; what did not fit follows", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const web = one(await boxes(hub, "web"));
  const small = Array.from({ length: 70 }, () => testOp(hub));
  for (const op of small) await upload(hub, token, op);
  const first = opsIn((await web.sync()).json);
  expect(first).toEqual(small.slice(0, 64).map(({ id }) => id));
  expect(opsIn((await web.sync({ wait_ms: 55_000 })).json)).toEqual(small.slice(64).map(({ id }) => id));
});

test("ops that are long over are forgotten with their answers; open ones and the boxes' logs are not", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const web = one(await boxes(hub, "web"));
  const over = testOp(hub);
  await upload(hub, token, over);
  await web.sync();
  await web.sync({ outbox: [returnItem(1, answer(web, over)), { seq: 2, kind: "op-log", body: { entries: ['{"seq":1}'] } }] });
  const rows = Array.from({ length: 1_200 }, (_, at) => at);
  await hub.hub.store.write("test.many", (tx) => {
    for (const at of rows) {
      tx.db.run(
        "test",
        "INSERT INTO ops (op_id, kind, class, state, is_open, sha256, target_key, drafted_by, created_at, expires_at, total, finished_at) VALUES (?, 'ping', 'read', 'done', 0, '', '', '', 0, 0, 0, ?)",
        `o-${at}`,
        hub.world.clock.wallMs() + at,
      );
    }
  });
  const open = testOp(hub, { lifetimeMs: 30 * DAY_MS });
  await upload(hub, token, open);
  await hub.world.clock.advance(200 * DAY_MS);
  const pruned = await sweep(hub.hub);
  expect(pruned.ops).toBeGreaterThan(200);
  expect(await count(hub, "ops WHERE is_open = 0")).toBe(1_000);
  expect([await count(hub, "ops WHERE is_open = 1"), await count(hub, "op_returns"), await count(hub, "op_log")]).toEqual([1, 0, 1]);
  expect(await count(hub, `op_targets WHERE op_seq NOT IN (SELECT op_seq FROM ops)`)).toBe(0);
  await hub.world.clock.advance(700 * DAY_MS);
  await sweep(hub.hub);
  expect(await count(hub, "op_log")).toBe(0);
});

test("a revoked box is given nothing", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const web = one(await boxes(hub, "web", "db"));
  await hub.ask("POST", `/api/v1/hosts/${web.keys.hostId}/revoke`, { token, body: {} });
  const op = testOp(hub);
  await upload(hub, token, op);
  expect(await targets(hub, token, op.id)).toEqual({ db: "waiting" });
  expect((await upload(hub, token, testOp(hub, { target: { host_id: web.keys.hostId } }))).json.code).toBe("op_target_mismatch");
  expect((await upload(hub, token, testOp(hub, { target: { host_id: testHost("nobody").hostId } }))).json.code).toBe("op_target_mismatch");
});
