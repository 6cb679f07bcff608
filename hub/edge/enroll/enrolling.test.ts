import { expect, test } from "bun:test";
import { base64url, utf8 } from "../../../shared/core/bytes.ts";
import { enrollAccepted, enrollState } from "../../../shared/protocol/enroll.ts";
import { TestBox } from "../../../shared/sim/test-box.ts";
import { FLEET_MADE_MS, testBoxKey, testHost } from "../../../shared/sim/test-fleet.ts";
import { type TestHub, testHub } from "../../../shared/sim/test-hub.ts";
import { sign, spellKey } from "../../../shared/trust/keys.ts";
import { enrollmentWords } from "../../../shared/trust/words.ts";

const rows = (hub: TestHub, table: "enrollments" | "hosts" | "host_credentials" | "events"): Promise<number> =>
  hub.hub.store.read((db) => db.get<{ count: number }>("test", `SELECT count(*) AS count FROM ${table}`)?.count ?? -1);

const grantOf = async (hub: TestHub, id: string, changes: Parameters<TestHub["fleet"]["grant"]>[1] = {}) => {
  const token = await hub.logIn();
  const reply = await hub.ask("POST", "/api/v1/grants", { token, body: { envelope: hub.fleet.grant(id, changes) } });
  expect(reply.status).toBe(201);
};

test("a box asks, the operator sees its words and signs, the box collects its certificate, credential and roots", async () => {
  using hub = await testHub();
  await hub.setUp();
  const box = new TestBox(hub, "web-1");
  const asked = await box.ask();
  expect(asked.status).toBe(202);
  const words = enrollmentWords(box.keys.signingKey.publicKey, box.keys.boxKey.publicKey);
  expect(enrollAccepted.parse(asked.json)).toMatchObject({ host_id: box.keys.hostId, words: [...words] });
  expect(enrollState.parse((await box.poll()).json)).toMatchObject({ state: "pending", words: [...words] });
  expect((await box.approve()).status).toBe(200);
  const state = enrollState.parse((await box.collect()).json);
  expect(state.state === "approved" && [state.host_cert !== undefined, state.roots.length]).toEqual([true, 1]);
  expect(box.credential).toMatch(/^foh_[A-Za-z0-9_-]{43}$/);
  expect((await box.sync()).status).toBe(200);
});

test("the credential can be fetched until the first sync has used it, and no longer", async () => {
  using hub = await testHub();
  const box = await new TestBox(hub, "web-1").enroll();
  const first = box.credential;
  await box.collect();
  expect(box.credential).toBe(first);
  expect((await box.sync()).status).toBe(200);
  expect((await box.poll()).json.code).toBe("conflict");
});

test("the hub stores no credential: neither the secret nor anything that opens without the box's key", async () => {
  using hub = await testHub();
  const box = await new TestBox(hub, "web-1").enroll();
  await hub.hub.store.close();
  const file = Buffer.concat([
    await Bun.file(`${hub.world.dir}/hub.db`).bytes(),
    await Bun.file(`${hub.world.dir}/hub.db-wal`)
      .bytes()
      .catch(() => new Uint8Array()),
  ]);
  expect(file.includes(box.credential)).toBe(false);
  expect(file.includes(box.credential.slice(4))).toBe(false);
});

test("attack 71: nothing is written before the box has proven its key", async () => {
  using hub = await testHub();
  await hub.setUp();
  const box = new TestBox(hub, "web-1");
  const events = await rows(hub, "events");
  for (let n = 0; n < 50; n += 1) await hub.ask("POST", "/enroll/v1/challenges");
  const statement = await box.statement();
  const stranger = base64url(sign(testHost("stranger").signingKey, utf8(statement)));
  const reply = await hub.ask("POST", "/enroll/v1/requests", { body: { v: 1, statement, signature: stranger } });
  expect([reply.status, reply.json.code]).toEqual([422, "signature_bad"]);
  expect(await rows(hub, "enrollments")).toBe(0);
  expect(await rows(hub, "events")).toBe(events);
});

test("attack 68: a challenge is good once, for the nonce it had, for five minutes, at the hub that gave it", async () => {
  using hub = await testHub();
  await hub.setUp();
  const box = new TestBox(hub, "web-1");
  const statement = await box.statement();
  const send = (text: string) => hub.ask("POST", "/enroll/v1/requests", { body: { v: 1, statement: text, signature: box.sign(text) } });
  expect((await send(statement)).status).toBe(202);
  expect((await send(statement)).json.code).toBe("challenge_unknown");
  expect((await box.ask({ changes: { nonce: base64url(new Uint8Array(32)) } })).json.code).toBe("challenge_unknown");
  expect((await box.ask({ changes: { challenge_id: "cmade0up0-aaaaaaaaaaaaaaaaaaaaaaaaaa" } })).json.code).toBe("challenge_unknown");
  const late = await box.statement();
  await hub.world.clock.advance(5 * 60_000);
  expect((await send(late)).json.code).toBe("challenge_unknown");
  const lost = await box.statement();
  await hub.restart();
  const reply = await send(lost);
  expect([reply.status, reply.json.code]).toEqual([401, "challenge_unknown"]);
});

test.each([
  ["another purpose", { purpose: "felhom login" }, "payload_schema"],
  ["an unknown field", { approved: true }, "payload_schema"],
  ["another version", { v: 2 }, "payload_bad_version"],
  ["a low-order signing key", { signing_key: base64url(new Uint8Array(32)) }, "key_unsafe"],
  ["a low-order box key", { box_key: base64url(new Uint8Array(32)) }, "key_unsafe"],
  ["a number as text", { protocol: "1" }, "payload_schema"],
])("a statement with %s is refused by its own code", async (_what, changes, code) => {
  using hub = await testHub();
  await hub.setUp();
  expect((await new TestBox(hub, "web-1").ask({ changes })).json.code).toBe(code);
});

test("a clock that is eleven minutes off is told both times", async () => {
  using hub = await testHub();
  await hub.setUp();
  const box = new TestBox(hub, "web-1");
  const nowMs = hub.world.clock.wallMs();
  const reply = await box.ask({ changes: { signed_at: nowMs - 11 * 60_000 } });
  expect([reply.status, reply.json.code]).toEqual([422, "clock_skew"]);
  expect(reply.json.detail).toContain(new Date(nowMs).toISOString());
  expect(reply.json.detail).toContain(new Date(nowMs - 11 * 60_000).toISOString());
  expect((await box.ask({ changes: { signed_at: nowMs + 9 * 60_000 } })).status).toBe(202);
});

test("attack 67: asking again with the same key finds the same request; other box keys make other words", async () => {
  using hub = await testHub();
  await hub.setUp();
  const box = new TestBox(hub, "web-1");
  const first = (await box.ask()).json;
  expect((await box.ask()).json).toEqual(first);
  const again = (await box.ask({ changes: { box_key: spellKey(testBoxKey("another").publicKey) } })).json;
  expect(again.request_id).toBe(first.request_id);
  expect(again.words).not.toEqual(first.words);
  expect(await rows(hub, "enrollments")).toBe(1);
  // The certificate that the operator signed for the keys he saw does not fit the keys that ask now.
  expect((await box.approve()).json.code).toBe("key_mismatch");
});

test("a host that lost its credential gets another for the same keys without an operator; the old one ends with the first use", async () => {
  using hub = await testHub();
  const box = await new TestBox(hub, "web-1").enroll();
  await box.sync();
  const old = box.credential;
  expect((await box.ask()).status).toBe(202);
  const requestId = box.requestId;
  await box.ask();
  expect(box.requestId).toBe(requestId);
  await box.collect();
  expect(box.credential).not.toBe(old);
  const fresh = box.credential;
  box.credential = old;
  expect((await box.sync()).status).toBe(200);
  box.credential = fresh;
  expect((await box.sync()).status).toBe(200);
  box.credential = old;
  expect((await box.sync()).json.code).toBe("unauthenticated");
});

test("a host that asks with a new box key waits for an operator", async () => {
  using hub = await testHub();
  const box = await new TestBox(hub, "web-1").enroll();
  const reply = await box.ask({ changes: { box_key: spellKey(testBoxKey("another").publicKey) } });
  expect(reply.status).toBe(202);
  expect((await box.poll()).json.state).toBe("pending");
});

test("rejected and revoked are told as such, and a revoked key never comes back", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const other = new TestBox(hub, "web-2");
  await other.ask();
  await hub.ask("POST", `/api/v1/enrollments/${other.requestId}/reject`, { token, body: { reason: "not mine" } });
  expect((await other.poll()).json).toEqual({ v: 1, state: "rejected", reason: "not mine" });
  const box = await new TestBox(hub, "web-1").enroll();
  await hub.ask("POST", `/api/v1/hosts/${box.keys.hostId}/revoke`, { token, body: {} });
  expect((await box.poll()).json).toEqual({ v: 1, state: "revoked" });
  expect((await box.ask()).json.code).toBe("revoked");
  expect((await box.sync()).json.code).toBe("revoked");
});

test("a poll is answered to the key that asked, and to a fresh signature only", async () => {
  using hub = await testHub();
  await hub.setUp();
  const box = new TestBox(hub, "web-1");
  await box.ask();
  const thief = new TestBox(hub, "thief");
  expect((await thief.poll(box.requestId)).json.code).toBe("unauthenticated");
  expect((await hub.ask("GET", `/enroll/v1/requests/${box.requestId}`)).json.code).toBe("unauthenticated");
  expect((await box.poll(box.requestId, hub.world.clock.wallMs() - 11 * 60_000)).json.code).toBe("clock_skew");
  expect((await box.poll("e-aaaaaaaaaaaaaaaaaaaaaaaa")).json.code).toBe("not_found");
});

test("a grant admits a box at once, with the grant's labels, and the box proves it by grant and admission", async () => {
  using hub = await testHub();
  await grantOf(hub, "g-shop", { labels: { role: "shop" } });
  const box = new TestBox(hub, "shop-1");
  expect((await box.ask({ admission: hub.fleet.admission("g-shop", box.keys, { name: "shop-1" }) })).status).toBe(202);
  const state = enrollState.parse((await box.collect()).json);
  expect(state.state === "approved" && [state.host_cert, state.grant !== undefined, state.admission !== undefined]).toEqual([undefined, true, true]);
  box.says = { ...box.says, have: { ...box.says.have, cert: 0 } };
  expect((await box.sync()).status).toBe(200);
  expect(await hub.hub.store.read((db) => db.get<{ labels: string }>("test", "SELECT labels FROM hosts"))).toEqual({ labels: '{"role":"shop"}' });
});

test("attack 59: of 100 boxes that race for a grant of 7 uses exactly 7 are admitted", async () => {
  using hub = await testHub();
  await grantOf(hub, "g-race", { uses: 7 });
  const boxes = Array.from({ length: 100 }, (_, n) => new TestBox(hub, `racer-${n}`));
  const replies = await Promise.all(boxes.map((box) => box.ask({ admission: hub.fleet.admission("g-race", box.keys) })));
  expect(replies.filter(({ status }) => status === 202)).toHaveLength(7);
  expect(replies.filter(({ json }) => json.code === "grant_refused")).toHaveLength(93);
  expect(await rows(hub, "hosts")).toBe(7);
  expect(await rows(hub, "host_credentials")).toBe(7);
});

test("the same box spends a grant once, however often it asks", async () => {
  using hub = await testHub();
  await grantOf(hub, "g-one", { uses: 1 });
  const box = new TestBox(hub, "web-1");
  const admission = hub.fleet.admission("g-one", box.keys);
  const first = await box.ask({ admission });
  expect((await box.ask({ admission })).json.request_id).toBe(first.json.request_id);
});

test("attack 69: a grant that is unknown, revoked, expired or for other keys admits nobody", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const box = new TestBox(hub, "web-1");
  expect((await box.ask({ admission: hub.fleet.admission("g-none", box.keys) })).json.code).toBe("grant_refused");
  await grantOf(hub, "g-gone");
  await hub.ask("POST", "/api/v1/grants/g-gone/revoke", { token, body: {} });
  expect((await box.ask({ admission: hub.fleet.admission("g-gone", box.keys) })).json.code).toBe("grant_refused");
  await grantOf(hub, "g-old", { expires_at: FLEET_MADE_MS + 7_200_000 });
  await hub.world.clock.advance(7_200_000);
  expect((await box.ask({ admission: hub.fleet.admission("g-old", box.keys) })).json.code).toBe("grant_expired");
  await grantOf(hub, "g-good");
  expect((await box.ask({ admission: hub.fleet.admission("g-good", testHost("another")) })).json.code).toBe("host_mismatch");
  expect(await rows(hub, "hosts")).toBe(0);
});

test("the queue of waiting requests has an end, and says so", async () => {
  using hub = await testHub({ limits: { pendingEnrollmentsMax: 2 } });
  await hub.setUp();
  expect((await new TestBox(hub, "a").ask()).status).toBe(202);
  const second = new TestBox(hub, "b");
  expect((await second.ask()).status).toBe(202);
  const third = await new TestBox(hub, "c").ask();
  expect([third.status, third.json.code, third.headers.get("retry-after")]).toEqual([503, "unavailable", "60"]);
  expect((await second.ask()).status).toBe(202);
});

test("enrollment is limited by address and in all", async () => {
  using hub = await testHub({ limits: { enrollPerMinutePerAddress: 3 } });
  const codes = [];
  for (let n = 0; n < 5; n += 1) codes.push((await hub.ask("POST", "/enroll/v1/challenges")).status);
  expect(codes).toEqual([201, 201, 201, 429, 429]);
  await hub.world.clock.advance(20_000);
  expect((await hub.ask("POST", "/enroll/v1/challenges")).status).toBe(201);
});

test("a hub without a fleet asks the box to come back", async () => {
  using hub = await testHub();
  const reply = await new TestBox(hub, "web-1").ask();
  expect([reply.status, reply.json.code]).toEqual([503, "unavailable"]);
});
