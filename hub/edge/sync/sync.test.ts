import { decode, encode } from "@msgpack/msgpack";
import { expect, test } from "bun:test";
import { utf8 } from "../../../shared/core/bytes.ts";
import { syncReply, SYNC_REQUEST_BYTES_MAX, type SyncRequest } from "../../../shared/protocol/sync.ts";
import { reportItem, TestBox } from "../../../shared/sim/test-box.ts";
import { testHost } from "../../../shared/sim/test-fleet.ts";
import { type Reply, type TestHub, testHub } from "../../../shared/sim/test-hub.ts";
import { Fault } from "../../../shared/core/fault.ts";
import { realDatabases } from "../../../shared/edge/databases.ts";

const eventKinds = (hub: TestHub): Promise<readonly string[]> =>
  hub.hub.store.read((db) => db.all<{ kind: string }>("test", "SELECT kind FROM events ORDER BY seq").map(({ kind }) => kind));
const turns = async (count = 5): Promise<void> => {
  for (let at = 0; at < count; at += 1) await new Promise((resolve) => setImmediate(resolve));
};
/** Lets a request get as far as it goes, and says whether it is still held. */
const isHeld = async (reply: Promise<Reply>): Promise<boolean> => {
  let done = false;
  void reply.then(() => {
    done = true;
  });
  await turns(20);
  return !done;
};

async function publish(hub: TestHub, version: number, files: Readonly<Record<string, string>> = {}): Promise<void> {
  const token = await hub.logIn();
  for (const text of Object.values(files)) {
    const sha256 = new Bun.CryptoHasher("sha256").update(text).digest("hex");
    expect((await hub.ask("PUT", `/api/v1/blobs/${sha256}`, { token, bytes: utf8(text) })).status).toBeLessThan(202);
  }
  const reply = await hub.ask("POST", "/api/v1/bundles", { token, body: { envelope: hub.fleet.bundle(version, files) } });
  expect(reply.status).toBe(201);
}

test("nothing newer: the answer is the numbers and nothing else", async () => {
  using hub = await testHub();
  const box = await new TestBox(hub, "web-1").enroll();
  const reply = await box.sync();
  expect(reply.text).toBe('{"v":1,"protocol":1,"min_protocol":1,"hub_epoch":1,"acked_seq":0,"next_ms":0}');
  expect(syncReply.safeParse(reply.json).success).toBe(true);
  // The same bytes again take the short way, to the same answer.
  expect((await box.sync()).text).toBe(reply.text);
});

test("only what is newer is given: root, certificate, bundle and spec", async () => {
  using hub = await testHub();
  const box = await new TestBox(hub, "web-1").enroll();
  await publish(hub, 1);
  const none = syncReply.parse((await box.sync({ have: { root: 0, cert: 0, bundle: 0, spec: 0 } })).json);
  expect([none.roots?.length, none.host_cert !== undefined, none.bundle !== undefined, none.spec?.generation]).toEqual([1, true, true, 1]);
  const some = syncReply.parse((await box.sync({ have: { root: 1, cert: 1, bundle: 0, spec: 1 } })).json);
  expect([some.roots, some.host_cert, some.bundle !== undefined, some.spec]).toEqual([undefined, undefined, true, undefined]);
});

test("a sync with nothing newer is held, and answered when its wait is over", async () => {
  using hub = await testHub();
  const box = await new TestBox(hub, "web-1").enroll();
  await box.sync();
  const reply = box.sync({ wait_ms: 55_000 });
  expect(await isHeld(reply)).toBe(true);
  expect(hub.hub.courier.held).toBe(1);
  await hub.world.clock.advance(54_000);
  hub.hub.courier.turn(hub.world.clock.monoMs());
  expect(await isHeld(reply)).toBe(true);
  await hub.world.clock.advance(2_000);
  hub.hub.courier.turn(hub.world.clock.monoMs());
  expect((await reply).json.next_ms).toBe(0);
  expect(hub.hub.courier.held).toBe(0);
});

test("the first sync after a start is answered at once, whatever it asks: the box then knows that its hub is back", async () => {
  using hub = await testHub();
  const box = await new TestBox(hub, "web-1").enroll();
  expect(await isHeld(box.sync({ wait_ms: 55_000 }))).toBe(false);
  expect(await isHeld(box.sync({ wait_ms: 55_000 }))).toBe(true);
  hub.hub.courier.stop();
  await hub.restart();
  expect(await isHeld(box.sync({ wait_ms: 55_000 }))).toBe(false);
  expect(await isHeld(box.sync({ wait_ms: 55_000 }))).toBe(true);
});

test("a held sync is answered as soon as a bundle is published, and a spec edited", async () => {
  using hub = await testHub();
  const boxes = await Promise.all(["a", "b", "c"].map((label) => new TestBox(hub, label).enroll()));
  for (const box of boxes) await box.sync();
  const replies = boxes.map((box) => box.sync({ wait_ms: 55_000 }));
  await turns();
  expect(hub.hub.courier.held).toBe(3);
  await publish(hub, 1);
  for (const reply of replies) expect(syncReply.parse((await reply).json).bundle).toBeDefined();
  const [box] = boxes;
  if (box === undefined) throw new Error("no box");
  const have = { root: 1, cert: 1, bundle: 1, spec: 1 };
  const held = box.sync({ have, wait_ms: 55_000 });
  expect(await isHeld(held)).toBe(true);
  const token = await hub.logIn();
  await hub.ask("PUT", `/api/v1/hosts/${box.keys.hostId}/spec`, { token, body: { mode: "monitor" }, headers: { "if-match": '"1"' } });
  expect(syncReply.parse((await held).json).spec).toMatchObject({ generation: 2, mode: "monitor" });
});

test("a revoked host is refused at once: its held sync, its next sync, its blobs", async () => {
  using hub = await testHub();
  const box = await new TestBox(hub, "web-1").enroll();
  await box.sync();
  const held = box.sync({ wait_ms: 55_000 });
  expect(await isHeld(held)).toBe(true);
  const token = await hub.logIn();
  await hub.ask("POST", `/api/v1/hosts/${box.keys.hostId}/revoke`, { token, body: { reason: "sold" } });
  expect([(await held).status, (await held).json.code]).toEqual([401, "revoked"]);
  expect((await box.sync()).json.code).toBe("revoked");
  expect((await hub.ask("GET", `/agent/v1/blobs/${"0".repeat(64)}`, { token: box.credential })).json.code).toBe("revoked");
  await hub.restart();
  expect((await box.sync()).json.code).toBe("revoked");
});

test("a second sync of the same host answers the one that is held", async () => {
  using hub = await testHub();
  const box = await new TestBox(hub, "web-1").enroll();
  await box.sync();
  const first = box.sync({ wait_ms: 55_000 });
  expect(await isHeld(first)).toBe(true);
  const second = box.sync({ wait_ms: 55_000 });
  expect((await first).status).toBe(200);
  expect(await isHeld(second)).toBe(true);
  expect(hub.hub.courier.held).toBe(1);
  hub.hub.courier.stop();
  expect((await second).json.next_ms).toBeGreaterThan(0);
});

test("a box that refuses what it is given is not given it again at every turn", async () => {
  using hub = await testHub();
  const box = await new TestBox(hub, "web-1").enroll();
  await publish(hub, 1);
  for (let n = 0; n < 3; n += 1) expect((await box.sync({ wait_ms: 55_000 })).json.bundle).toBeDefined();
  const held = box.sync({ wait_ms: 55_000 });
  expect(await isHeld(held)).toBe(true);
  await hub.world.clock.advance(60_000);
  hub.hub.courier.turn(hub.world.clock.monoMs());
  expect((await held).json.bundle).toBeDefined();
});

test("a report is durable before it is acknowledged, once, and shows as verified", async () => {
  using hub = await testHub();
  const box = await new TestBox(hub, "web-1").enroll();
  const outbox = [
    reportItem(1, box.report()),
    { seq: 2, kind: "facts" as const, body: box.facts({ os: "debian" }) },
    { seq: 5, kind: "event" as const, body: { what: "started" } },
  ];
  expect((await box.sync({ outbox })).json.acked_seq).toBe(5);
  await hub.restart();
  // The answer was lost: the box says it all again.
  expect((await box.sync({ outbox })).json.acked_seq).toBe(5);
  const stored = await hub.hub.store.read((db) => db.all<{ kind: string; verified: number }>("test", "SELECT kind, verified FROM reports ORDER BY kind"));
  expect(stored).toEqual([
    { kind: "facts", verified: 1 },
    { kind: "report", verified: 1 },
  ]);
  expect((await eventKinds(hub)).filter((kind) => kind === "agent.event")).toHaveLength(1);
  expect((await eventKinds(hub)).filter((kind) => kind === "host.converged")).toHaveLength(1);
});

test("the same rows at once from two connections are stored once", async () => {
  using hub = await testHub();
  const box = await new TestBox(hub, "web-1").enroll();
  await box.sync();
  const outbox = [{ seq: 1, kind: "event" as const, body: { what: "once" } }];
  const replies = await Promise.all(Array.from({ length: 10 }, () => box.sync({ outbox })));
  expect(replies.map(({ json }) => json.acked_seq)).toEqual(Array.from({ length: 10 }, () => 1));
  expect((await eventKinds(hub)).filter((kind) => kind === "agent.event")).toHaveLength(1);
});

test("attack 72: what another host signed, or nobody, is kept as unverified and changes nothing that was verified", async () => {
  using hub = await testHub();
  const box = await new TestBox(hub, "web-1").enroll();
  const thief = new TestBox(hub, "thief");
  await box.sync({ outbox: [reportItem(1, box.report({ bundle: 4 }))] });
  const forged = { ...thief.report({ host_id: box.keys.hostId, bundle: 9 }) };
  expect((await box.sync({ outbox: [reportItem(2, forged)] })).json.acked_seq).toBe(2);
  const newest = await hub.hub.store.read((db) =>
    db.get<{ verified: number; summary: string }>("test", "SELECT verified, summary FROM newest_reports WHERE kind = 'report'"),
  );
  expect([newest?.verified, JSON.parse(newest?.summary ?? "{}").bundle]).toEqual([1, 4]);
  expect(await hub.hub.store.read((db) => db.get("test", "SELECT verified FROM reports WHERE seq = 2"))).toEqual({ verified: 0 });
});

test("attack 56, 72: a credential speaks for its own host, on the agent's routes only", async () => {
  using hub = await testHub();
  const box = await new TestBox(hub, "web-1").enroll();
  const other = testHost("web-2").hostId;
  const lie = await box.sync({ host_id: other });
  expect([lie.status, lie.json.code]).toEqual([403, "denied"]);
  expect((await hub.ask("GET", "/api/v1/hosts", { token: box.credential })).status).toBe(401);
  const session = await hub.logIn();
  expect((await hub.ask("POST", "/agent/v1/sync", { token: session, body: {} })).status).toBe(401);
  expect((await hub.ask("GET", `/agent/v1/blobs/${"0".repeat(64)}`, { token: session })).status).toBe(401);
});

test("events of a box are all of one kind, whatever it calls them", async () => {
  using hub = await testHub();
  const box = await new TestBox(hub, "web-1").enroll();
  await box.sync({ outbox: [{ seq: 1, kind: "event", body: { kind: "root.rotated", text: "all is yours" } }] });
  expect(await eventKinds(hub)).toContain("agent.event");
  expect((await eventKinds(hub)).filter((kind) => kind === "root.rotated")).toHaveLength(1);
});

test("events are made of changes: a host that fails ten times has failed once", async () => {
  using hub = await testHub();
  const box = await new TestBox(hub, "web-1").enroll();
  const bad = { unchanged: 1, changed: 0, drifted: 0, failed: 2, skipped: 0, waiting: 0 };
  for (let seq = 1; seq <= 10; seq += 1) await box.sync({ outbox: [reportItem(seq, box.report({ counts: bad }))] });
  await box.sync({ outbox: [reportItem(11, box.report())] });
  expect((await eventKinds(hub)).filter((kind) => kind.startsWith("host.") && kind !== "host.enroll-requested" && kind !== "host.approved")).toEqual([
    "host.failed",
    "host.converged",
  ]);
});

test("a box's log of ops is kept line by line, as it came, and once", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const box = await new TestBox(hub, "web-1").enroll();
  const lines = [1, 2, 3].map((seq) => JSON.stringify({ seq, op: "o-aaaaaaaaaaaaaaaa", prev: "" }));
  const outbox = [{ seq: 1, kind: "op-log" as const, body: { entries: [...lines, "not JSON"] } }];
  expect((await box.sync({ outbox })).json.acked_seq).toBe(1);
  await box.sync({ outbox: [{ seq: 2, kind: "op-log" as const, body: { entries: lines } }] });
  const path = `/api/v1/hosts/${box.keys.hostId}/op-log`;
  const all = (await hub.ask("GET", path, { token })).json.items;
  expect(all.map((item: { seq: number; entry: string }) => [item.seq, item.entry])).toEqual([[0, "not JSON"], ...lines.map((entry, at) => [at + 1, entry])]);
  const page = (await hub.ask("GET", `${path}?since=1&limit=1`, { token })).json;
  expect(page.items.map((item: { seq: number }) => item.seq)).toEqual([2]);
  expect((await hub.ask("GET", `${path}?cursor=${page.next}`, { token })).json.items.map((item: { seq: number }) => item.seq)).toEqual([3]);
});

test("metrics are kept in memory only", async () => {
  using hub = await testHub();
  const box = await new TestBox(hub, "web-1").enroll();
  expect((await box.sync({ outbox: [{ seq: 7, kind: "metrics", body: { "load.1": 0.5 } }] })).json.acked_seq).toBe(7);
  expect(hub.hub.hosts.get(box.keys.hostId)?.metrics).toEqual({ "load.1": 0.5 });
  await hub.restart();
  expect(hub.hub.hosts.get(box.keys.hostId)?.metrics).toEqual({});
});

test("rows out of order are refused as a whole", async () => {
  using hub = await testHub();
  const box = await new TestBox(hub, "web-1").enroll();
  const outbox = [2, 1].map((seq) => ({ seq, kind: "event" as const, body: {} }));
  expect([(await box.sync({ outbox })).json.code, (await eventKinds(hub)).includes("agent.event")]).toEqual(["bad_request", false]);
});

test("A12: two machines that alternate under one identity are noticed, once an hour; a reboot is not", async () => {
  using hub = await testHub();
  const box = await new TestBox(hub, "web-1").enroll();
  await box.sync({ boot_id: "boot-1" });
  await box.sync({ boot_id: "boot-2", run: 2 });
  expect(await eventKinds(hub)).not.toContain("host.cloned");
  for (const boot of ["boot-1", "boot-2", "boot-1"]) await box.sync({ boot_id: boot, run: 2 });
  expect((await eventKinds(hub)).filter((kind) => kind === "host.cloned")).toHaveLength(1);
});

test("A06: a data directory put back to an older copy is noticed, and its rows are not taken for repeats", async () => {
  using hub = await testHub();
  const box = await new TestBox(hub, "web-1").enroll();
  await box.sync({ run: 5, outbox: [{ seq: 40, kind: "event", body: { n: 1 } }] });
  const reply = await box.sync({ run: 3, boot_id: "boot-9", outbox: [{ seq: 12, kind: "event", body: { n: 2 } }] });
  expect(reply.json.acked_seq).toBe(12);
  expect(await eventKinds(hub)).toContain("host.rolled-back");
  expect((await eventKinds(hub)).filter((kind) => kind === "agent.event")).toHaveLength(2);
});

/** What an agent says that gives back the hub's word. */
async function living(box: TestBox, extra: Partial<SyncRequest> = {}): Promise<Reply> {
  const first = await box.sync({ echo: "", ...extra, outbox: [] });
  return first.json.echo === undefined ? first : box.sync({ echo: first.json.echo, ...extra });
}

test("A06: a request of an earlier run that comes late is no older copy: nothing of it counts, and nothing is forgotten", async () => {
  using hub = await testHub();
  const box = await new TestBox(hub, "web-1").enroll();
  const row = (seq: number) => ({ seq, kind: "event" as const, body: { n: seq } });
  await box.sync({ echo: "", run: 5, outbox: [row(40)] });
  await box.sync({ echo: "", run: 6, outbox: [row(41)] });
  const seen = hub.hub.hosts.get(box.keys.hostId)?.seenMonoMs;
  await hub.world.clock.advance(1_000);
  for (let times = 0; times < 3; times += 1) {
    const late = await box.sync({ echo: "", run: 5, outbox: [row(40)], wait_ms: 55_000 });
    expect([late.status, late.json.acked_seq, typeof late.json.echo]).toEqual([200, 0, "string"]);
  }
  expect(hub.hub.hosts.get(box.keys.hostId)).toMatchObject({ run: 6, ackedSeq: 41, seenMonoMs: seen });
  expect((await box.sync({ echo: "", run: 6, outbox: [row(42)] })).json).toMatchObject({ acked_seq: 42 });
  const kinds = await eventKinds(hub);
  expect([kinds.includes("host.rolled-back"), kinds.filter((kind) => kind === "agent.event").length]).toEqual([false, 3]);
});

test("A06: a box that was put back says the hub's word, and is believed; its rows are not taken for repeats", async () => {
  using hub = await testHub();
  const box = await new TestBox(hub, "web-1").enroll();
  await box.sync({ echo: "", run: 5, outbox: [{ seq: 40, kind: "event", body: { n: 1 } }] });
  const first = await box.sync({ echo: "", run: 3 });
  expect([first.json.acked_seq, (await eventKinds(hub)).includes("host.rolled-back")]).toEqual([0, false]);
  // Another late one in between gets the same word, and takes nothing away.
  await box.sync({ echo: "", run: 4 });
  const reply = await box.sync({ echo: first.json.echo, run: 3, outbox: [{ seq: 12, kind: "event", body: { n: 2 } }] });
  expect([reply.json.acked_seq, reply.json.echo]).toEqual([12, undefined]);
  expect((await eventKinds(hub)).filter((kind) => kind === "host.rolled-back")).toHaveLength(1);
  // The word is used up: what it proved once it does not prove for ever.
  expect(typeof (await box.sync({ echo: first.json.echo, run: 2 })).json.echo).toBe("string");
});

test("A12: a late request from before a reboot is no second machine; two that live are", async () => {
  using hub = await testHub();
  const box = await new TestBox(hub, "web-1").enroll();
  await living(box, { boot_id: "boot-1" });
  await living(box, { boot_id: "boot-2", run: 2 });
  await box.sync({ echo: "", boot_id: "boot-1" });
  await living(box, { boot_id: "boot-2", run: 2 });
  expect(await eventKinds(hub)).not.toContain("host.cloned");
  for (const boot of ["boot-1", "boot-2", "boot-1"]) await living(box, { boot_id: boot, run: 2 });
  expect((await eventKinds(hub)).filter((kind) => kind === "host.cloned")).toHaveLength(1);
});

test("a late request of the same run tells an older record of ops, and is not believed; a box that does so lives and is", async () => {
  using hub = await testHub();
  const box = await new TestBox(hub, "web-1").enroll();
  const telling = (generation: number, echo = "") => box.sync({ echo, ledger: { generation } });
  await telling(8);
  await telling(9);
  await telling(8);
  await telling(9);
  expect(await eventKinds(hub)).not.toContain("host.rolled-back");
  const { echo } = (await telling(8)).json;
  expect((await telling(8, echo)).json.ledger_generation).toBe(9);
  expect((await eventKinds(hub)).filter((kind) => kind === "host.rolled-back")).toHaveLength(1);
});

test("a box that lost its database in the run that the hub knows is told the count that holds, before it spends a number", async () => {
  using hub = await testHub();
  const box = await new TestBox(hub, "web-1").enroll();
  const row = (seq: number) => ({ seq, kind: "event" as const, body: { n: seq } });
  await box.sync({ echo: "", ledger: { generation: 9 }, outbox: [row(20)] });
  const first = await box.sync({ echo: "", ledger: { generation: 3 } });
  expect(first.json.acked_seq).toBe(20);
  const reply = await box.sync({ echo: first.json.echo, ledger: { generation: 3 }, outbox: [row(21), row(22)] });
  expect(reply.json.acked_seq).toBe(22);
  expect((await eventKinds(hub)).filter((kind) => kind === "agent.event")).toHaveLength(3);
});

test("a hub that was restored from an old backup asks for what it lacks, and takes what verifies", async () => {
  using hub = await testHub();
  const box = await new TestBox(hub, "web-1").enroll();
  const have = { root: 1, cert: 2, bundle: 3, spec: 4 };
  const asked = syncReply.parse((await box.sync({ have, wait_ms: 55_000 })).json);
  expect(asked.want_offer).toBe(true);
  const cert = hub.fleet.cert(box.keys, { name: "web-1", serial: 2, labels: { role: "web" } });
  const reply = await box.sync({ have, offer: { roots: [], cert, bundle: hub.fleet.bundle(3, {}) } });
  expect(syncReply.parse(reply.json).want_offer).toBeUndefined();
  expect([hub.hub.fleet.bundleVersion, hub.hub.hosts.get(box.keys.hostId)?.certSerial, hub.hub.hosts.get(box.keys.hostId)?.specGeneration]).toEqual([3, 2, 4]);
  const token = await hub.logIn();
  const spec = await hub.ask("PUT", `/api/v1/hosts/${box.keys.hostId}/spec`, { token, body: { mode: "monitor" }, headers: { "if-match": '"4"' } });
  expect(spec.json.item.generation).toBe(5);
});

test("an offer that no operator signed is refused, and asked for again only after a minute", async () => {
  using hub = await testHub();
  const box = await new TestBox(hub, "web-1").enroll();
  const thief = new TestBox(hub, "thief");
  const have = { root: 1, cert: 2, bundle: 3, spec: 1 };
  await box.sync({ have });
  const bundle = { ...hub.fleet.bundle(3, {}), signatures: thief.report().signatures };
  expect(
    syncReply.parse((await box.sync({ have, offer: { roots: [], cert: hub.fleet.cert(thief.keys, { serial: 2 }), bundle } })).json).want_offer,
  ).toBeUndefined();
  expect([hub.hub.fleet.bundleVersion, hub.hub.hosts.get(box.keys.hostId)?.certSerial]).toEqual([0, 1]);
  await hub.world.clock.advance(60_000);
  expect(syncReply.parse((await box.sync({ have })).json).want_offer).toBe(true);
});

test("the hub sets the pace: above its rate agents are told to wait, each a little longer", async () => {
  using hub = await testHub({ limits: { syncsPerSecond: 10 } });
  const box = await new TestBox(hub, "web-1").enroll();
  await box.sync();
  const paces: number[] = [];
  for (let n = 0; n < 14; n += 1) paces.push((await box.sync()).json.next_ms);
  expect(paces.slice(0, 9)).toEqual(Array.from({ length: 9 }, () => 0));
  expect(paces.slice(-3)).toEqual([300, 400, 500]);
});

test("one host that asks too often is told when to come back, and the others do not notice", async () => {
  using hub = await testHub({ limits: { syncsPerHostPerSecond: 1 } });
  const [busy, calm] = [await new TestBox(hub, "busy").enroll(), await new TestBox(hub, "calm").enroll()];
  let refused: Reply | undefined;
  for (let n = 0; n < 40; n += 1) {
    const reply = await busy.sync();
    if (reply.status === 429) refused ??= reply;
  }
  expect([refused?.json.code, refused?.headers.get("retry-after")]).toEqual(["rate_limited", "1"]);
  expect((await calm.sync()).status).toBe(200);
});

test("without room to hold, syncs are answered", async () => {
  using hub = await testHub({ limits: { heldMax: 1 } });
  const [one, two] = [await new TestBox(hub, "a").enroll(), await new TestBox(hub, "b").enroll()];
  await one.sync();
  await two.sync();
  expect(await isHeld(one.sync({ wait_ms: 55_000 }))).toBe(true);
  expect((await two.sync({ wait_ms: 55_000 })).status).toBe(200);
});

test("attack 49: a sync above its bound is refused by its announced length, before it is read", async () => {
  using hub = await testHub();
  const box = await new TestBox(hub, "web-1").enroll();
  let pulled = 0;
  const body = new ReadableStream(
    {
      pull: (controller) => {
        pulled += 1;
        controller.enqueue(new Uint8Array(1024));
      },
    },
    { highWaterMark: 0 },
  );
  const headers = { host: "hub.test", authorization: `Bearer ${box.credential}`, "content-type": "application/json" };
  const server = (extra: Record<string, string>, sent: ReadableStream) =>
    hub.handle(new Request("http://hub.test/agent/v1/sync", { method: "POST", headers: { ...headers, ...extra }, body: sent }), {
      address: "192.0.2.7",
      hold: () => {},
    });
  const announced = await server({ "content-length": String(SYNC_REQUEST_BYTES_MAX + 1) }, body);
  expect([announced.status, pulled]).toEqual([413, 0]);
  const chunked = await server({}, body);
  expect(chunked.status).toBe(413);
  expect(pulled).toBeLessThanOrEqual(SYNC_REQUEST_BYTES_MAX / 1024 + 2);
});

test.each([
  ["no JSON", "{"],
  ["an array", "[]"],
  ["text for a number", '{"v":"1"}'],
  [
    "a wait that is too long",
    '{"v":1,"protocol":1,"host_id":"h-aaaaaaaaaaaaaaaa","boot_id":"b","run":1,"agent_version":"1","have":{"root":1,"cert":1,"bundle":0,"spec":1},"hub_epoch":1,"wait_ms":55001,"outbox":[]}',
  ],
])("attack 53: a body that is %s is refused in words", async (_what, body) => {
  using hub = await testHub();
  const box = await new TestBox(hub, "web-1").enroll();
  const reply = await hub.ask("POST", "/agent/v1/sync", { token: box.credential, body });
  expect([reply.status, reply.json.code]).toEqual([400, "bad_request"]);
});

test("MessagePack is taken and given by content type; what nests too deep or names a key twice is refused", async () => {
  using hub = await testHub();
  const box = await new TestBox(hub, "web-1").enroll();
  const send = async (bytes: Uint8Array): Promise<Response> =>
    hub.handle(
      new Request("http://hub.test/agent/v1/sync", {
        method: "POST",
        headers: {
          host: "hub.test",
          authorization: `Bearer ${box.credential}`,
          "content-type": "application/msgpack",
          "content-length": String(bytes.byteLength),
        },
        body: new Uint8Array(bytes),
      }),
      { address: "192.0.2.7", hold: () => {} },
    );
  const good = await send(encode({ ...box.says, wait_ms: 0, outbox: [] }));
  expect([good.status, good.headers.get("content-type")]).toEqual([200, "application/msgpack"]);
  expect(syncReply.safeParse(decode(new Uint8Array(await good.arrayBuffer()))).success).toBe(true);
  expect((await send(new Uint8Array(200_000).fill(0x91))).status).toBe(400);
  expect((await send(new Uint8Array([0x82, 0xa1, 0x76, 0x01, 0xd9, 0x01, 0x76, 0x02]))).status).toBe(400);
  expect((await send(new Uint8Array([0xdd, 0xff, 0xff, 0xff, 0xff]))).status).toBe(400);
});

test("attack 58: a wrong credential, one of another form and none at all get the same words, and are counted", async () => {
  using hub = await testHub({ limits: { refusalsPerMinutePerAddress: 4 } });
  await hub.setUp();
  const ask = (token?: string) => hub.ask("POST", "/agent/v1/sync", { token, body: {} });
  const replies = [await ask(`foh_${"a".repeat(43)}`), await ask("short"), await ask()];
  expect(new Set(replies.map(({ text }) => text)).size).toBe(1);
  expect(replies[0]?.status).toBe(401);
  await ask();
  expect((await ask()).status).toBe(429);
});

test("H03: on a full disk nothing is acknowledged and nothing half stored; syncs at rest go on; space brings it back", async () => {
  let full = false;
  const databases: typeof realDatabases = {
    open: (op, path, options) => {
      const db = realDatabases.open(op, path, options);
      return new Proxy(db, {
        get: (target, name, receiver) => {
          if (name !== "transaction" || !full) {
            const value = Reflect.get(target, name, receiver);
            return typeof value === "function" ? value.bind(target) : value;
          }
          return (operation: string, body: () => unknown) =>
            target.transaction(operation, () => {
              body();
              throw new Fault("db_full", "Cannot use hub.db: SQLITE_FULL");
            });
        },
      });
    },
  };
  using hub = await testHub({ databases });
  const box = await new TestBox(hub, "web-1").enroll();
  await box.sync();
  full = true;
  const outbox = [{ seq: 1, kind: "event" as const, body: { n: 1 } }];
  const failed = await box.sync({ outbox });
  expect([failed.status, failed.json.code]).toEqual([507, "db_full"]);
  expect(hub.hub.store.health().is).toBe("failed");
  expect((await hub.ask("GET", "/readyz")).status).toBe(200); // no check list in this test: only the store's own health tells
  expect((await box.sync()).json.acked_seq).toBe(0);
  full = false;
  expect((await box.sync({ outbox })).json.acked_seq).toBe(1);
  expect((await eventKinds(hub)).filter((kind) => kind === "agent.event")).toHaveLength(1);
});
