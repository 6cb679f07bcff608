import { expect, test } from "bun:test";
import { FLEET_MADE_MS, testFleet, testKey, testRootPayload } from "../../../../shared/sim/test-fleet.ts";
import { type TestHub, testHub } from "../../../../shared/sim/test-hub.ts";
import type { SigningKey } from "../../../../shared/trust/keys.ts";
import { rootPayload } from "../../../../shared/trust/payloads.ts";
import { signPayload } from "../../../../shared/trust/sign-payload.ts";
import { redeemGrant } from "../../store/grants.ts";

const nextRoot = (hub: TestHub, keys: readonly SigningKey[], signers: readonly SigningKey[], version = 2) =>
  signPayload("root", rootPayload, testRootPayload(keys, { fleet_id: hub.fleet.root.payload.fleet_id, version }), signers);

test("attack 86: a rotated root ends the sessions of the keys that left it, and no others", async () => {
  using hub = await testHub();
  const old = hub.fleet.key;
  const [stays, comes] = [testKey("stays"), testKey("comes")];
  const first = await hub.logIn(old);
  const two = nextRoot(hub, [old, stays], [old, stays]);
  const taken = await hub.ask("POST", "/api/v1/roots", { token: first, body: { envelope: two } });
  expect([taken.status, taken.json.item.root_version]).toEqual([201, 2]);
  const second = await hub.logIn(stays);
  const three = nextRoot(hub, [stays, comes], [old, stays, comes], 3);
  expect((await hub.ask("POST", "/api/v1/roots", { token: second, body: { envelope: three } })).status).toBe(201);
  expect((await hub.ask("GET", "/api/v1/roots", { token: first })).status).toBe(401);
  expect((await hub.ask("GET", "/api/v1/roots", { token: second })).json.items).toEqual([hub.fleet.rootEnvelope, two, three]);
  expect((await hub.logIn(comes)).startsWith("fos_")).toBe(true);
  await hub.restart();
  expect(hub.hub.fleet.rootVersion).toBe(3);
});

test("a root that does not follow is refused by the check that found it", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const { key } = hub.fleet;
  const stranger = testKey("stranger");
  const code = async (envelope: unknown) => (await hub.ask("POST", "/api/v1/roots", { token, body: { envelope } })).json.code;
  expect(await code(hub.fleet.rootEnvelope)).toBe("version_not_newer");
  expect(await code(nextRoot(hub, [key], [key], 3))).toBe("version_step");
  expect(await code(nextRoot(hub, [stranger], [stranger]))).toBe("key_unknown");
  expect(await code(nextRoot(hub, [stranger], [key]))).toBe("key_unknown");
  expect(await code(testFleet("two").rootEnvelope)).toBe("key_unknown");
  expect(hub.hub.fleet.rootVersion).toBe(1);
  const races = await Promise.all(
    Array.from({ length: 20 }, () => hub.ask("POST", "/api/v1/roots", { token, body: { envelope: nextRoot(hub, [key, stranger], [key, stranger]) } })),
  );
  expect(races.filter(({ status }) => status === 201)).toHaveLength(1);
});

test("a grant is stored once, listed with its uses, and revoked for good", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const envelope = hub.fleet.grant("shop", { uses: 3 });
  const create = (given: unknown) => hub.ask("POST", "/api/v1/grants", { token, body: { envelope: given } });
  const item = { grant_id: "shop", envelope, uses: 3, used: 0, revoked: false, created_at: FLEET_MADE_MS, expires_at: FLEET_MADE_MS + 30 * 86_400_000 };
  const made = await create(envelope);
  expect([made.status, made.json.item]).toEqual([201, item]);
  expect((await create(envelope)).status).toBe(200);
  expect((await create(hub.fleet.grant("shop", { uses: 4 }))).json.code).toBe("conflict");
  expect((await create(testFleet("two").grant("other"))).json.code).toBe("key_unknown");
  expect((await create(hub.fleet.grant("late", { expires_at: FLEET_MADE_MS + 1 }))).json.code).toBe("grant_expired");
  expect((await hub.ask("GET", "/api/v1/grants", { token })).json.items).toEqual([item]);
  expect((await hub.ask("POST", "/api/v1/grants/shop/revoke", { token })).json.item.revoked).toBe(true);
  expect((await hub.ask("POST", "/api/v1/grants/nothing/revoke", { token })).json.code).toBe("not_found");
  expect(await hub.hub.store.write("test.redeem", (tx) => redeemGrant(tx.db, "shop", "h-a", hub.world.clock.wallMs()))).toBe("revoked");
});

test("attack 59, attack 69: of 100 boxes redeeming a grant of ten uses, ten get in, and one box counts once", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  await hub.ask("POST", "/api/v1/grants", { token, body: { envelope: hub.fleet.grant("shop", { uses: 10 }) } });
  const redeem = (host: string, atMs = hub.world.clock.wallMs()) => hub.hub.store.write("test.redeem", (tx) => redeemGrant(tx.db, "shop", host, atMs));
  expect([await redeem("h-0"), await redeem("h-0")]).toEqual(["redeemed", "again"]);
  const results = await Promise.all(Array.from({ length: 100 }, (_, n) => redeem(`h-${n}`)));
  expect(
    Object.fromEntries(
      Map.groupBy(results, (result) => result)
        .entries()
        .map(([result, all]) => [result, all.length]),
    ),
  ).toEqual({ again: 1, redeemed: 9, "used-up": 90 });
  expect((await hub.ask("GET", "/api/v1/grants", { token })).json.items[0].used).toBe(10);
  expect(await redeem("h-x", FLEET_MADE_MS + 31 * 86_400_000)).toBe("expired");
});

test("a token opens what its role allows until it ends or is revoked", async () => {
  using hub = await testHub();
  const admin = await hub.logIn();
  const make = (body: unknown) => hub.ask("POST", "/api/v1/tokens", { token: admin, body });
  const made = await make({ name: "ci", role: "viewer", expires_at: hub.world.clock.wallMs() + 1_000 });
  expect([made.status, made.json.token.startsWith("fot_")]).toEqual([201, true]);
  const look = async (token: string) => (await hub.ask("GET", "/api/v1/hosts", { token })).status;
  expect(await look(made.json.token)).toBe(200);
  const listed = (await hub.ask("GET", "/api/v1/tokens", { token: admin })).text;
  expect(JSON.parse(listed).items).toEqual([
    {
      id: made.json.id,
      name: "ci",
      role: "viewer",
      created_at: hub.world.clock.wallMs(),
      expires_at: hub.world.clock.wallMs() + 1_000,
      last_used_at: hub.world.clock.wallMs(),
    },
  ]);
  expect(listed).not.toContain(made.json.token);
  await hub.world.clock.advance(1_000);
  expect(await look(made.json.token)).toBe(401);
  const other = (await make({ name: "ci2", role: "viewer" })).json;
  expect((await hub.ask("DELETE", `/api/v1/tokens/${other.id}`, { token: admin })).status).toBe(204);
  expect(await look(other.token)).toBe(401);
  expect((await hub.ask("DELETE", `/api/v1/tokens/${other.id}`, { token: admin })).json.code).toBe("not_found");
  expect((await make({ name: "late", role: "viewer", expires_at: 1 })).json.code).toBe("bad_request");
});

test("status counts what there is", async () => {
  using hub = await testHub({ checks: () => [{ name: "store", health: { is: "degraded", because: "slow" } }] });
  const token = await hub.logIn();
  const { item } = (await hub.ask("GET", "/api/v1/status", { token })).json;
  expect(item).toMatchObject({
    fleet_name: "test",
    root_version: 1,
    hub_epoch: 1,
    bundle: 0,
    hosts: { total: 0, pending: 0, attention: 0 },
    held_syncs: 0,
    checks: [{ name: "store", is: "degraded", because: "slow" }],
  });
  expect(item.database.bytes).toBeGreaterThan(0);
});
