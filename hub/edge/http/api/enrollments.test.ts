import { expect, test } from "bun:test";
import { fromBase64, fromUtf8 } from "../../../../shared/core/bytes.ts";
import { testBoxKey, testFleet, testHost } from "../../../../shared/sim/test-fleet.ts";
import { admitted, askToEnroll } from "../../../../shared/sim/test-enrollment.ts";
import { testHub } from "../../../../shared/sim/test-hub.ts";
import { loadSealedBox } from "../../../../shared/trust/sealed-box.ts";
import { findEnrollment } from "../../store/enrollments.ts";
import { hostCredentialHash } from "../../store/host-credentials.ts";

test("an approved box is a host with a credential that only it can open", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const host = testHost("web");
  const id = await askToEnroll(hub, "web", host);
  const listed = await hub.ask("GET", "/api/v1/enrollments", { token });
  expect(listed.json.items.map((item: { request_id: string }) => item.request_id)).toEqual([id]);
  const reply = await hub.ask("POST", `/api/v1/enrollments/${id}/approve`, { token, body: { host_cert: hub.fleet.cert(host, { name: "web-1" }) } });
  expect([reply.status, reply.json.kind, reply.json.item.state]).toEqual([200, "Enrollment", "approved"]);
  const row = await hub.hub.store.read((db) => findEnrollment(db, id));
  const box = await loadSealedBox();
  const opened = box.open(fromBase64(row?.sealed_credential ?? "") ?? new Uint8Array(), host.boxKey);
  const { credential } = opened.ok ? JSON.parse(fromUtf8(opened.value)) : { credential: "" };
  expect(hub.hub.hosts.byCredential(hostCredentialHash(credential))?.entry.hostId).toBe(host.hostId);
  expect(box.open(fromBase64(row?.sealed_credential ?? "") ?? new Uint8Array(), testBoxKey("other")).ok).toBe(false);
  await hub.restart();
  expect(hub.hub.hosts.byCredential(hostCredentialHash(credential))?.entry.name).toBe("web-1");
});

test("a certificate for other keys, another host, another fleet or by a stranger admits nobody", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const host = testHost("web");
  const id = await askToEnroll(hub, "web", host);
  const code = async (host_cert: unknown) => (await hub.ask("POST", `/api/v1/enrollments/${id}/approve`, { token, body: { host_cert } })).json.code;
  expect(await code(hub.fleet.cert({ ...host, boxKey: testBoxKey("swapped") }))).toBe("key_mismatch");
  expect(await code(hub.fleet.cert(testHost("other")))).toBe("host_mismatch");
  expect(await code(testFleet("two").cert(host))).toBe("key_unknown");
  expect(await code(hub.fleet.grant("g1"))).toBe("wrong_type");
  expect(hub.hub.hosts.size).toBe(0);
});

test("attack 59: of 100 parallel decisions on one request exactly one succeeds", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const host = testHost("web");
  const id = await askToEnroll(hub, "web", host);
  const approve = () => hub.ask("POST", `/api/v1/enrollments/${id}/approve`, { token, body: { host_cert: hub.fleet.cert(host) } });
  const reject = () => hub.ask("POST", `/api/v1/enrollments/${id}/reject`, { token, body: { reason: "no" } });
  const replies = await Promise.all(Array.from({ length: 100 }, (_, n) => (n % 2 === 0 ? approve() : reject())));
  expect(replies.filter(({ status }) => status === 200)).toHaveLength(1);
  expect(replies.filter(({ json }) => json.code === "conflict")).toHaveLength(99);
  const audit = (await hub.ask("GET", "/api/v1/audit?limit=500", { token })).json.items;
  expect(audit.filter((row: { action: string; outcome: string }) => /^host\.(?:approve|reject)$/.test(row.action) && row.outcome === "done")).toHaveLength(1);
});

test("a rejected box is told why, and its request can't be approved any more", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const id = await askToEnroll(hub, "web");
  expect((await hub.ask("POST", `/api/v1/enrollments/${id}/reject`, { token, body: { reason: "not ours" } })).status).toBe(200);
  const row = await hub.hub.store.read((db) => findEnrollment(db, id));
  expect([row?.state, row?.reason]).toEqual(["rejected", "not ours"]);
  expect((await hub.ask("POST", `/api/v1/enrollments/${id}/approve`, { token, body: { host_cert: hub.fleet.cert(testHost("web")) } })).json.code).toBe(
    "conflict",
  );
  expect((await hub.ask("POST", "/api/v1/enrollments/e-nothing/reject", { token, body: {} })).json.code).toBe("not_found");
});

test("a host that asks again takes a newer certificate only; a revoked key never comes back", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const host = await admitted(hub, token, "web");
  const again = await askToEnroll(hub, "again", host);
  const approve = async (serial: number) =>
    (await hub.ask("POST", `/api/v1/enrollments/${again}/approve`, { token, body: { host_cert: hub.fleet.cert(host, { serial }) } })).json;
  expect((await approve(1)).code).toBe("version_not_newer");
  expect((await approve(2)).item.state).toBe("approved");
  expect((await hub.ask("POST", `/api/v1/hosts/${host.hostId}/revoke`, { token, body: { reason: "stolen" } })).json.item.health).toBe("revoked");
  const third = await askToEnroll(hub, "third", host);
  expect((await hub.ask("POST", `/api/v1/enrollments/${third}/approve`, { token, body: { host_cert: hub.fleet.cert(host, { serial: 3 }) } })).json.code).toBe(
    "conflict",
  );
});
