import { expect, test } from "bun:test";
import { utf8 } from "../../../shared/core/bytes.ts";
import { sha256Hex } from "../../../shared/core/sha256.ts";
import { admitted, askToEnroll } from "../../../shared/sim/test-enrollment.ts";
import { type TestHub, testHub } from "../../../shared/sim/test-hub.ts";
import { KEEP_EVENTS, KEEP_UNNAMED_BLOB_MS } from "../../core/retention/policy.ts";
import { appendAudit, auditAnchor, auditHead, verifyAudit } from "../store/audit.ts";
import { appendEvent } from "../store/events.ts";
import { pruneBundles, pruneEvents, pruneOldAudit } from "../store/retention.ts";
import { sweep } from "./sweep.ts";

const DAY_MS = 86_400_000;
const count = (hub: TestHub, table: string): Promise<number> =>
  hub.hub.store.read((db) => db.get<{ n: number }>("test", `SELECT count(*) AS n FROM ${table}`)?.n ?? -1);
const TABLES = [
  "roots",
  "hosts",
  "host_credentials",
  "enrollments",
  "grants",
  "grant_uses",
  "bundles",
  "bundle_blobs",
  "blobs",
  "tokens",
  "meta",
  "newest_reports",
  "schema_version",
];

test("what a disaster is recovered from is all there after a sweep ten years on", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const { hostId } = await admitted(hub, token, "web-1");
  await askToEnroll(hub, "waiting");
  await hub.ask("PUT", `/api/v1/hosts/${hostId}/spec`, { token, body: { mode: "monitor" }, headers: { "if-match": '"1"' } });
  await hub.ask("POST", "/api/v1/grants", { token, body: { envelope: hub.fleet.grant("g1") } });
  const motd = utf8("hello\n");
  await hub.ask("PUT", `/api/v1/blobs/${sha256Hex(motd)}`, { token, bytes: motd });
  await hub.ask("POST", "/api/v1/bundles", { token, body: { envelope: hub.fleet.bundle(1, { "files/motd": "hello\n" }) } });
  await hub.token("viewer");
  const dump = () => hub.hub.store.read((db) => TABLES.map((table) => [table, db.all("test", `SELECT * FROM ${table}`)]));
  const before = await dump();
  await hub.world.clock.advance(3_650 * DAY_MS);
  await sweep(hub.hub);
  await sweep(hub.hub);
  expect(await dump()).toEqual(before);
  expect(await count(hub, "sessions")).toBe(0);
  const audit = await verifyAudit(
    (body) => hub.hub.store.read(body),
    async () => {},
  );
  expect(audit.ok).toBe(true);
});

test("events go by age and by count, never the newest few, whatever the clock says", async () => {
  using hub = await testHub();
  const keep = { rowsMax: 50, rowsMin: 10, ageMs: 5 * DAY_MS };
  const start = hub.world.clock.wallMs();
  await hub.hub.store.write("test.events", (tx) => {
    for (let n = 0; n < 100; n += 1) appendEvent(tx.db, { at: start + n * DAY_MS, kind: "host.changed", data: { n } });
    for (let n = 0; n < 3; n += 1) appendEvent(tx.db, { at: 0, kind: "root.rotated", data: { n } });
  });
  const left = async (): Promise<readonly number[]> =>
    (await hub.hub.store.read((db) => db.all<{ n: number }>("test", "SELECT data ->> '$.n' AS n FROM events WHERE kind = 'host.changed' ORDER BY seq"))).map(
      (row) => row.n,
    );
  const prune = (nowMs: number) => hub.hub.store.write("test.prune", (tx) => pruneEvents(tx.db, "host.changed", keep, nowMs));
  expect(await prune(start)).toBe(50);
  expect((await left())[0]).toBe(50);
  expect(await prune(start + 72 * DAY_MS)).toBe(17);
  expect((await left())[0]).toBe(67);
  await prune(start + 100_000 * DAY_MS);
  expect(await left()).toEqual([90, 91, 92, 93, 94, 95, 96, 97, 98, 99]);
  expect(await prune(0)).toBe(0);
  expect((await hub.hub.store.read((db) => db.all("test", "SELECT 1 FROM events WHERE kind = 'root.rotated'"))).length).toBe(3);
});

test("every kind of event has a limit", () => {
  for (const [kind, keep] of Object.entries(KEEP_EVENTS))
    expect([kind, keep.rowsMin < keep.rowsMax && keep.rowsMax <= 100_000 && keep.ageMs > 0]).toEqual([kind, true]);
});

test("the audit log is pruned from its old end, and what stays verifies from its anchor; the head never goes", async () => {
  using hub = await testHub();
  const start = hub.world.clock.wallMs();
  await hub.hub.store.write("test.audit", (tx) => {
    for (let n = 0; n < 60; n += 1) appendAudit(tx.db, { at: start + n * DAY_MS, actor: "local", from: "local", action: "test", target: String(n) });
  });
  const head = await hub.hub.store.read(auditHead);
  const prune = (keep: { rowsMax: number; rowsMin: number; ageMs: number }, nowMs: number) =>
    hub.hub.store.write("test.prune", (tx) => pruneOldAudit(tx.db, keep, nowMs));
  expect(await prune({ rowsMax: 40, rowsMin: 5, ageMs: 1_000 * DAY_MS }, start)).toBe(20);
  expect(await prune({ rowsMax: 40, rowsMin: 5, ageMs: 10 * DAY_MS }, start + 40 * DAY_MS)).toBe(10);
  expect((await hub.hub.store.read(auditAnchor)).seq).toBe(30);
  expect(await prune({ rowsMax: 40, rowsMin: 0, ageMs: 0 }, start + 10_000 * DAY_MS)).toBe(29);
  const verdict = await verifyAudit(
    (body) => hub.hub.store.read(body),
    async () => {},
  );
  expect(verdict).toMatchObject({ ok: true, rows: 1, head, anchor: { seq: 59 } });
  const next = await hub.hub.store.write("test.audit", (tx) =>
    appendAudit(tx.db, { at: start, actor: "local", from: "local", action: "test", target: "next" }),
  );
  expect(next.seq).toBe(61);
  expect(
    (
      await verifyAudit(
        (body) => hub.hub.store.read(body),
        async () => {},
      )
    ).ok,
  ).toBe(true);
});

test("old bundles go, but not the current one, one in force, or the newest few; their blobs follow, shared ones stay", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const put = (text: string) => hub.ask("PUT", `/api/v1/blobs/${sha256Hex(utf8(text))}`, { token, bytes: utf8(text) });
  await put("shared");
  for (let version = 1; version <= 8; version += 1) {
    await put(`only ${version}`);
    await hub.ask("POST", "/api/v1/bundles", { token, body: { envelope: hub.fleet.bundle(version, { a: "shared", b: `only ${version}` }) } });
  }
  const { hostId } = await admitted(hub, token, "web-1");
  await hub.hub.store.write("test.host", (tx) => tx.db.run("test", "UPDATE hosts SET have_bundle = 3 WHERE host_id = ?", hostId));
  const later = hub.world.clock.wallMs() + 1_000 * DAY_MS;
  expect(await hub.hub.store.write("test.prune", (tx) => pruneBundles(tx.db, { rowsMax: 500, rowsMin: 2, ageMs: 180 * DAY_MS }, [3], later))).toBe(5);
  const versions = await hub.hub.store.read((db) => db.all<{ version: number }>("test", "SELECT version FROM bundles ORDER BY version"));
  expect(versions.map((row) => row.version)).toEqual([3, 7, 8]);
  await hub.world.clock.advance(KEEP_UNNAMED_BLOB_MS - 1);
  expect((await sweep(hub.hub)).blobs).toBe(0);
  await hub.world.clock.advance(2);
  expect((await sweep(hub.hub)).blobs).toBe(5);
  const isThere = (text: string) =>
    hub.world.files.stat("test", `${hub.world.dir}/blobs/${sha256Hex(utf8(text)).slice(0, 2)}/${sha256Hex(utf8(text))}`) !== undefined;
  expect(["shared", "only 1", "only 2", "only 3", "only 6", "only 7", "only 8"].map(isThere)).toEqual([true, false, false, true, false, true, true]);
  expect((await hub.ask("GET", `/api/v1/blobs/${sha256Hex(utf8("only 1"))}`, { token: await hub.logIn() })).status).toBe(404);
});

test("a blob that was uploaded but not published yet is kept for a week", async () => {
  using hub = await testHub();
  const token = await hub.token("operator");
  const bytes = utf8("half of a publish");
  await hub.ask("PUT", `/api/v1/blobs/${sha256Hex(bytes)}`, { token, bytes });
  await hub.world.clock.advance(KEEP_UNNAMED_BLOB_MS);
  await sweep(hub.hub);
  expect(await count(hub, "blobs")).toBe(1);
  await hub.world.clock.advance(1);
  await sweep(hub.hub);
  expect(await count(hub, "blobs")).toBe(0);
});
