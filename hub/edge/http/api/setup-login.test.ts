import { expect, test } from "bun:test";
import { base64url } from "../../../../shared/core/bytes.ts";
import { testFleet, testKey } from "../../../../shared/sim/test-fleet.ts";
import { TEST_SETUP_TOKEN, testHub } from "../../../../shared/sim/test-hub.ts";
import { sign } from "../../../../shared/trust/keys.ts";
import { loginText } from "../../../core/login/challenge.ts";
import { SESSION_MS } from "../../store/credentials.ts";

test("setup takes root version 1 once, with the token of the first start", async () => {
  using hub = await testHub();
  const root = hub.fleet.rootEnvelope;
  expect((await hub.ask("POST", "/api/v1/setup", { body: { setup_token: "wrong", root } })).json.code).toBe("unauthenticated");
  const done = await hub.setUp();
  expect(done.status).toBe(201);
  expect(done.json).toEqual({
    apiVersion: "felhom/v1",
    kind: "Fleet",
    item: { fleet_id: hub.fleet.root.payload.fleet_id, fleet_name: "test", root_version: 1 },
  });
  expect((await hub.setUp()).json.code).toBe("conflict");
  expect(hub.world.files.stat("test", `${hub.world.dir}/setup-token`)).toBeUndefined();
});

test("a root that does not verify sets nothing up", async () => {
  using hub = await testHub();
  const signatures = testFleet("two").rootEnvelope.signatures;
  const reply = await hub.ask("POST", "/api/v1/setup", { body: { setup_token: TEST_SETUP_TOKEN, root: { ...hub.fleet.rootEnvelope, signatures } } });
  expect([reply.status, reply.json.code]).toEqual([422, "key_unknown"]);
  expect(hub.hub.fleet.root).toBeUndefined();
});

test("attack 59: of 100 setups at once one gives the hub its fleet", async () => {
  using hub = await testHub();
  const fleets = Array.from({ length: 100 }, (_, n) => testFleet(`racer ${n}`));
  const replies = await Promise.all(
    fleets.map((fleet) => hub.ask("POST", "/api/v1/setup", { body: { setup_token: TEST_SETUP_TOKEN, root: fleet.rootEnvelope } })),
  );
  expect(replies.filter(({ status }) => status === 201)).toHaveLength(1);
  expect(replies.filter(({ json }) => json.code === "conflict")).toHaveLength(99);
  const winner = replies.find(({ status }) => status === 201)?.json.item.fleet_id;
  expect(hub.hub.fleet.root?.payload.fleet_id).toBe(winner);
});

test("a session opens the API for twelve hours, and survives a restart of the hub", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  expect((await hub.ask("GET", "/api/v1/hosts", { token })).status).toBe(200);
  await hub.restart();
  expect((await hub.ask("GET", "/api/v1/hosts", { token })).status).toBe(200);
  await hub.world.clock.advance(SESSION_MS - 1);
  expect((await hub.ask("GET", "/api/v1/hosts", { token })).status).toBe(200);
  await hub.world.clock.advance(1);
  expect((await hub.ask("GET", "/api/v1/hosts", { token })).json.code).toBe("unauthenticated");
});

test("logging out ends this session and no other", async () => {
  using hub = await testHub();
  const [one, two] = [await hub.logIn(), await hub.logIn()];
  expect((await hub.ask("DELETE", "/api/v1/login/sessions/current", { token: one })).status).toBe(204);
  expect((await hub.ask("GET", "/api/v1/hosts", { token: one })).status).toBe(401);
  expect((await hub.ask("GET", "/api/v1/hosts", { token: two })).status).toBe(200);
});

test("a challenge is good for one login, by a key of the root, within five minutes", async () => {
  using hub = await testHub();
  await hub.setUp();
  const ask = async () => (await hub.ask("POST", "/api/v1/login/challenges")).json;
  const body = (challenge: Awaited<ReturnType<typeof ask>>, key = hub.fleet.key, fleet = challenge.fleet_id) => ({
    challenge_id: challenge.challenge_id,
    key_id: key.keyId,
    signature: base64url(sign(key, loginText(fleet, { id: challenge.challenge_id, nonce: challenge.nonce, expiresAt: 0 }, key.keyId))),
  });
  const code = async (sent: unknown) => (await hub.ask("POST", "/api/v1/login/sessions", { body: sent })).json.code;
  const challenge = await ask();
  expect(await code(body(challenge, testKey("a stranger")))).toBe("unauthenticated");
  expect(await code({ ...body(challenge, testKey("a stranger")), key_id: hub.fleet.key.keyId })).toBe("unauthenticated");
  expect(await code(body(challenge, hub.fleet.key, "f-aaaaaaaaaaaaaaaa"))).toBe("unauthenticated");
  expect(await code({ ...body(challenge), challenge_id: (await ask()).challenge_id })).toBe("unauthenticated");
  expect(await code(body(challenge))).toBeUndefined();
  expect(await code(body(challenge))).toBe("challenge_unknown");
  const late = await ask();
  await hub.world.clock.advance(5 * 60_000);
  expect(await code(body(late))).toBe("challenge_unknown");
  const lost = await ask();
  await hub.restart();
  expect(await code(body(lost))).toBe("unauthenticated");
});

test("attack 59: of 100 logins with one challenge one gets a session", async () => {
  using hub = await testHub();
  await hub.setUp();
  const { json: challenge } = await hub.ask("POST", "/api/v1/login/challenges");
  const { key } = hub.fleet;
  const signature = base64url(sign(key, loginText(challenge.fleet_id, { id: challenge.challenge_id, nonce: challenge.nonce, expiresAt: 0 }, key.keyId)));
  const body = { challenge_id: challenge.challenge_id, key_id: key.keyId, signature };
  const replies = await Promise.all(Array.from({ length: 100 }, () => hub.ask("POST", "/api/v1/login/sessions", { body })));
  expect(replies.filter(({ status }) => status === 201)).toHaveLength(1);
});
