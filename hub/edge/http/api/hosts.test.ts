import { expect, test } from "bun:test";
import type { HostItem } from "../../../../shared/protocol/api/hosts.ts";
import type { HostDetail } from "../../../../shared/protocol/api/hosts.ts";
import { FLEET_MADE_MS, testFleet, testBoxKey, testHost } from "../../../../shared/sim/test-fleet.ts";
import { admitted } from "../../../../shared/sim/test-enrollment.ts";
import { type TestHub, testHub } from "../../../../shared/sim/test-hub.ts";
import { insertReport, putNewestReport } from "../../store/reports.ts";

const names = (items: readonly HostItem[]): string[] => items.map(({ name }) => name);
const list = async (hub: TestHub, token: string, query: string): Promise<string[]> =>
  names((await hub.ask("GET", `/api/v1/hosts?${query}`, { token })).json.items);

async function report(hub: TestHub, hostId: string, counts: Partial<Record<string, number>>): Promise<void> {
  const all = { unchanged: 1, changed: 0, drifted: 0, failed: 0, skipped: 0, waiting: 0, ...counts };
  const summary = JSON.stringify({ bundle: 3, spec: 1, mode: "enforce", source: "database", counts: all, refused: null, created_at: 1 });
  const row = {
    host_id: hostId,
    kind: "report",
    received_at: hub.world.clock.wallMs(),
    created_at: 1,
    verified: 1,
    summary,
    envelope: JSON.stringify(hub.fleet.grant("stand-in")),
  } as const;
  await hub.hub.store.write("test.report", (tx) => {
    insertReport(tx.db, { ...row, seq: 1 });
    putNewestReport(tx.db, row);
  });
}

test("the list is by name, paged, filtered, and has an ETag", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  for (const name of ["web-2", "db-1", "web-1", "cache"]) await admitted(hub, token, name, { tier: name.startsWith("web") ? "web" : "back", site: "gyor" });
  expect(await list(hub, token, "")).toEqual(["cache", "db-1", "web-1", "web-2"]);
  expect(await list(hub, token, "name=web-*")).toEqual(["web-1", "web-2"]);
  expect(await list(hub, token, "label=tier=back")).toEqual(["cache", "db-1"]);
  expect(await list(hub, token, "label=site")).toHaveLength(4);
  expect(await list(hub, token, "label=constructor")).toEqual([]);
  expect(await list(hub, token, "contact=never&health=unknown")).toHaveLength(4);
  expect(await list(hub, token, "contact=up")).toEqual([]);
  const entry = hub.hub.hosts.get(testHost("db-1").hostId);
  if (entry !== undefined) hub.hub.hosts.setContact(entry, "up", 1);
  expect(await list(hub, token, "contact=up")).toEqual(["db-1"]);
  const seen: string[] = [];
  for (let path: string | undefined = "/api/v1/hosts?limit=1&name=*-*"; path !== undefined; ) {
    const { json } = await hub.ask("GET", path, { token });
    seen.push(...names(json.items));
    path = json.next === undefined ? undefined : `/api/v1/hosts?limit=1&name=*-*&cursor=${json.next}`;
  }
  expect(seen).toEqual(["db-1", "web-1", "web-2"]);
  const etag = (await hub.ask("GET", "/api/v1/hosts", { token })).headers.get("etag") ?? "";
  expect((await hub.ask("GET", "/api/v1/hosts", { token, headers: { "if-none-match": etag } })).status).toBe(304);
  expect((await hub.ask("GET", "/api/v1/hosts?name=web-1", { token, headers: { "if-none-match": etag } })).status).toBe(200);
});

test("health follows the newest verified report, and silence outranks it", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const host = await admitted(hub, token, "web-1");
  const health = async (): Promise<string> => (await hub.ask("GET", `/api/v1/hosts/${host.hostId}`, { token })).json.item.health;
  expect(await health()).toBe("unknown");
  await report(hub, host.hostId, {});
  expect(await health()).toBe("ok");
  await report(hub, host.hostId, { drifted: 2 });
  expect(await health()).toBe("drift");
  expect(await list(hub, token, "health=drift")).toEqual(["web-1"]);
  const entry = hub.hub.hosts.get(host.hostId);
  if (entry !== undefined) hub.hub.hosts.setContact(entry, "down", 1);
  expect(await health()).toBe("down");
});

test("a host comes with every envelope that proves it", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const host = await admitted(hub, token, "web-1", { tier: "web" });
  await report(hub, host.hostId, {});
  const { item }: { item: HostDetail } = (await hub.ask("GET", `/api/v1/hosts/${host.hostId}`, { token })).json;
  expect(item.host_cert).toEqual(hub.fleet.cert(host, { name: "web-1", labels: { tier: "web" } }));
  expect([item.grant, item.facts, item.report_received_at]).toEqual([null, null, hub.world.clock.wallMs()]);
  expect(item.spec).toEqual({ v: 1, host_id: host.hostId, generation: 1, mode: "enforce" });
  for (const id of ["h-aaaaaaaaaaaaaaaa", "web-1", "h-", "%00"]) expect((await hub.ask("GET", `/api/v1/hosts/${id}`, { token })).status).toBe(404);
});

test("a spec is edited by generation: of two editors one is told that it moved on", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const { hostId } = await admitted(hub, token, "web-1");
  const path = `/api/v1/hosts/${hostId}/spec`;
  const read = await hub.ask("GET", path, { token });
  expect([read.headers.get("etag"), read.json.item.mode]).toEqual(['"1"', "enforce"]);
  const edit = (generation: string | undefined, body: unknown) =>
    hub.ask("PUT", path, { token, body, headers: generation === undefined ? {} : { "if-match": generation } });
  const first = await edit('"1"', { mode: "monitor", interval_s: 120 });
  expect([first.status, first.headers.get("etag"), first.json.item]).toEqual([
    200,
    '"2"',
    { v: 1, host_id: hostId, generation: 2, mode: "monitor", interval_s: 120 },
  ]);
  expect((await edit('"1"', { mode: "enforce" })).json.code).toBe("conflict");
  expect((await edit(undefined, { mode: "enforce" })).json.code).toBe("precondition_required");
  expect((await edit("*", { mode: "enforce" })).json.code).toBe("bad_request");
  expect((await edit('"2"', { mode: "monitor", interval_s: 120 })).headers.get("etag")).toBe('"2"');
  expect((await edit('"2"', { mode: "enforce", paused_until: FLEET_MADE_MS + 60 * 86_400_000 })).json.code).toBe("bad_request");
  expect(hub.hub.hosts.get(hostId)?.specGeneration).toBe(2);
  const races = await Promise.all(Array.from({ length: 100 }, (_, n) => edit('"2"', { mode: "enforce", interval_s: 60 + n })));
  expect(races.filter(({ status }) => status === 200)).toHaveLength(1);
});

test("after a restore a spec edit is newer than what the box holds", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const { hostId } = await admitted(hub, token, "web-1");
  const entry = hub.hub.hosts.get(hostId);
  if (entry !== undefined) entry.haveSpec = 9;
  const reply = await hub.ask("PUT", `/api/v1/hosts/${hostId}/spec`, { token, body: { mode: "monitor" }, headers: { "if-match": '"1"' } });
  expect(reply.json.item.generation).toBe(10);
});

test("a relabel is the next certificate of the same keys", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const host = await admitted(hub, token, "web-1");
  const relabel = (host_cert: unknown) => hub.ask("PUT", `/api/v1/hosts/${host.hostId}/certificate`, { token, body: { host_cert } });
  const done = await relabel(hub.fleet.cert(host, { serial: 2, name: "shop-1", labels: { site: "gyor" } }));
  expect([done.status, done.json.item.name, done.json.item.labels]).toEqual([200, "shop-1", { site: "gyor" }]);
  expect(hub.hub.hosts.get(host.hostId)?.name).toBe("shop-1");
  const code = async (certificate: unknown) => (await relabel(certificate)).json.code;
  expect(await code(hub.fleet.cert(host, { serial: 2 }))).toBe("version_not_newer");
  expect(await code(hub.fleet.cert(testHost("other"), { serial: 3 }))).toBe("host_mismatch");
  expect(await code(hub.fleet.cert({ ...host, boxKey: testBoxKey("swapped") }, { serial: 3 }))).toBe("key_mismatch");
  expect(await code(testFleet("two").cert(host, { serial: 3 }))).toBe("key_unknown");
});

test("revoking ends a host at once, once, and shows in its timeline", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const { hostId } = await admitted(hub, token, "web-1");
  const revoke = () => hub.ask("POST", `/api/v1/hosts/${hostId}/revoke`, { token, body: { reason: "sold" } });
  expect((await revoke()).json.item.note).toBe("revoked: sold");
  expect((await revoke()).status).toBe(200);
  expect(hub.hub.hosts.get(hostId)?.revoked).toBe(true);
  const timeline = (await hub.ask("GET", `/api/v1/hosts/${hostId}/timeline`, { token })).json.items;
  expect(timeline.map((event: { kind: string }) => event.kind)).toEqual(["host.revoked", "host.approved"]);
  expect((await hub.ask("PUT", `/api/v1/hosts/${hostId}/spec`, { token, body: { mode: "monitor" }, headers: { "if-match": '"1"' } })).json.code).toBe(
    "conflict",
  );
});
