import { expect, test } from "bun:test";
import { AUDIT_START, verifyAuditChain } from "../../../../shared/core/audit-chain.ts";
import { testFleet } from "../../../../shared/sim/test-fleet.ts";
import { admitted } from "../../../../shared/sim/test-enrollment.ts";
import { type TestHub, testHub } from "../../../../shared/sim/test-hub.ts";

interface Row {
  readonly action: string;
  readonly outcome: string;
  readonly actor: string;
  readonly from: string;
  readonly target: string;
}
const audit = async (hub: TestHub, token: string): Promise<readonly Row[]> =>
  (await hub.ask("GET", "/api/v1/audit?limit=500", { token })).json.items.toReversed();

test("I12: every mutation has one audit row with who, from where, what and outcome; reads have none", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const key = `key:${hub.fleet.key.keyId}`;
  const { hostId } = await admitted(hub, token, "web-1");
  await hub.ask("PUT", `/api/v1/hosts/${hostId}/spec`, { token, body: { mode: "monitor" }, headers: { "if-match": '"1"' } });
  await hub.ask("GET", "/api/v1/hosts", { token });
  await hub.ask("POST", "/api/v1/grants", { token, body: { envelope: hub.fleet.grant("g1") } });
  await hub.ask("POST", "/api/v1/grants", { token, body: { envelope: hub.fleet.grant("g1") } });
  await hub.ask("POST", "/api/v1/bundles", { token, body: { envelope: testFleet("two").bundle(1, {}) } });
  await hub.ask("POST", `/api/v1/hosts/${hostId}/revoke`, { token, body: {} });
  await hub.ask("POST", `/api/v1/hosts/${hostId}/revoke`, { token, body: {} });
  const rows = await audit(hub, token);
  expect(rows.map(({ actor, action, outcome }) => [actor, action, outcome])).toEqual([
    ["setup", "fleet.setup", "done"],
    [key, "session.create", "done"],
    [key, "host.approve", "done"],
    [key, "host.spec-edit", "done"],
    [key, "grant.create", "done"],
    [key, "bundle.publish", "key_unknown"],
    [key, "host.revoke", "done"],
  ]);
  expect(new Set(rows.map(({ from }) => from))).toEqual(new Set(["192.0.2.7"]));
  expect(rows.find(({ action }) => action === "host.approve")?.target).toBe(hostId);
});

test("the chain verifies here and on the workstation, and an altered row is named", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  for (let n = 0; n < 5; n += 1) await hub.ask("POST", "/api/v1/tokens", { token, body: { name: `t${n}`, role: "viewer" } });
  const verified = (await hub.ask("GET", "/api/v1/audit/verification", { token })).json.item;
  const rows = (await hub.ask("GET", "/api/v1/audit?limit=500", { token })).json.items.toReversed();
  expect(verified).toEqual({ whole: true, rows: 7, anchor: AUDIT_START, head: { seq: 7, hash: rows.at(-1).hash }, broken_seq: null, because: null });
  expect(verifyAuditChain(AUDIT_START, rows)).toMatchObject({ ok: true, head: verified.head });
  await hub.hub.store.write("test.tamper", (tx) => tx.db.run("test", "UPDATE audit SET actor = 'key:somebody' WHERE seq = 4"));
  expect((await hub.ask("GET", "/api/v1/audit/verification", { token })).json.item).toMatchObject({ whole: false, broken_seq: 4, because: "hash", head: null });
});

test("attack 57: an idempotency key gives the first answer again, and never takes another body", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const headers = { "idempotency-key": "publish-0001" };
  const post = (envelope: unknown, other = headers) => hub.ask("POST", "/api/v1/bundles", { token, body: { envelope }, headers: other });
  const first = await post(hub.fleet.bundle(1, {}));
  const again = await post(hub.fleet.bundle(1, {}));
  expect([first.status, again.status, again.headers.get("idempotency-replayed")]).toEqual([201, 201, "true"]);
  expect(again.json).toEqual(first.json);
  expect((await post(hub.fleet.bundle(2, {}))).json.code).toBe("conflict");
  expect(hub.hub.fleet.bundleVersion).toBe(1);
  expect((await post(hub.fleet.bundle(2, {}), { "idempotency-key": "x" })).json.code).toBe("bad_request");
  const stranger = await hub.token("operator");
  expect((await hub.ask("POST", "/api/v1/bundles", { token: stranger, body: { envelope: hub.fleet.bundle(2, {}) }, headers })).status).toBe(201);
  expect((await audit(hub, token)).filter(({ action, outcome }) => action === "bundle.publish" && outcome === "done")).toHaveLength(2);
});

test("a repeated answer never holds a secret", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const make = () => hub.ask("POST", "/api/v1/tokens", { token, body: { name: "ci", role: "viewer" }, headers: { "idempotency-key": "token-00001" } });
  const made = (await make()).json;
  expect((await make()).json.code).toBe("conflict");
  expect((await hub.ask("GET", "/api/v1/tokens", { token })).json.items).toHaveLength(1);
  const stored = await hub.hub.store.read((db) =>
    JSON.stringify(["idempotency", "tokens", "sessions", "audit", "events"].map((table) => db.all("test", `SELECT * FROM ${table}`))),
  );
  expect(stored).not.toContain(made.token);
  expect(stored).not.toContain(token);
});

test("attack 59: of 100 creates under one idempotency key one creates", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const body = { envelope: hub.fleet.grant("g1") };
  const replies = await Promise.all(
    Array.from({ length: 100 }, () => hub.ask("POST", "/api/v1/grants", { token, body, headers: { "idempotency-key": "grant-00001" } })),
  );
  expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([201]));
  expect(replies.filter(({ headers }) => headers.get("idempotency-replayed") === null)).toHaveLength(1);
});

test("a refusal without a credential writes nothing", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const before = await audit(hub, token);
  for (let n = 0; n < 20; n += 1) {
    await hub.ask("POST", "/api/v1/bundles", { body: { envelope: hub.fleet.bundle(1, {}) } });
    await hub.ask("POST", "/api/v1/setup", { body: { setup_token: "x", root: hub.fleet.rootEnvelope } });
  }
  expect(await audit(hub, token)).toEqual(before);
});
