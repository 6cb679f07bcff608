import { expect, test } from "bun:test";
import { utf8 } from "../../../shared/core/bytes.ts";
import { sha256Hex } from "../../../shared/core/sha256.ts";
import { TestBox } from "../../../shared/sim/test-box.ts";
import { type TestHub, testHub } from "../../../shared/sim/test-hub.ts";

const TEXT = "0123456789".repeat(100);
const SHA = sha256Hex(utf8(TEXT));

async function published(hub: TestHub): Promise<TestBox> {
  const token = await hub.logIn();
  expect((await hub.ask("PUT", `/api/v1/blobs/${SHA}`, { token, bytes: utf8(TEXT) })).status).toBe(201);
  expect((await hub.ask("POST", "/api/v1/bundles", { token, body: { envelope: hub.fleet.bundle(1, { "files/a": TEXT }) } })).status).toBe(201);
  return new TestBox(hub, "web-1").enroll();
}

test("a box fetches what its bundle names, whole, in parts, and not at all when it has it", async () => {
  using hub = await testHub();
  const box = await published(hub);
  const get = (headers: Record<string, string> = {}) => hub.ask("GET", `/agent/v1/blobs/${SHA}`, { token: box.credential, headers });
  const whole = await get();
  expect([whole.status, whole.text, whole.headers.get("content-length"), whole.headers.get("etag")]).toEqual([200, TEXT, "1000", `"${SHA}"`]);
  const part = await get({ range: "bytes=990-" });
  expect([part.status, part.text, part.headers.get("content-range")]).toEqual([206, "0123456789", "bytes 990-999/1000"]);
  expect((await get({ range: "bytes=5-6", "if-range": `"${SHA}"` })).text).toBe("56");
  expect((await get({ range: "bytes=5-6", "if-range": '"other"' })).text).toBe(TEXT);
  const beyond = await get({ range: "bytes=1000-" });
  expect([beyond.status, beyond.headers.get("content-range")]).toEqual([416, "bytes */1000"]);
  expect((await get({ "if-none-match": `"${SHA}"` })).status).toBe(304);
});

test("what no bundle names is not there, though it be stored", async () => {
  using hub = await testHub();
  const box = await published(hub);
  const token = await hub.logIn();
  const other = "uploaded, not published";
  const sha = sha256Hex(utf8(other));
  expect((await hub.ask("PUT", `/api/v1/blobs/${sha}`, { token, bytes: utf8(other) })).status).toBe(201);
  expect((await hub.ask("GET", `/agent/v1/blobs/${sha}`, { token: box.credential })).json.code).toBe("not_found");
  expect((await hub.ask("GET", `/agent/v1/blobs/${"f".repeat(64)}`, { token: box.credential })).json.code).toBe("not_found");
});

test("attack 37: a name that is no SHA-256 names nothing", async () => {
  using hub = await testHub();
  const box = await published(hub);
  for (const name of ["..", "hub.db", SHA.toUpperCase(), `${SHA}0`, "..%2f..%2fhub.db"])
    expect((await hub.ask("GET", `/agent/v1/blobs/${name}`, { token: box.credential })).status).toBe(404);
});

test("blobs are for boxes that are hosts", async () => {
  using hub = await testHub();
  await published(hub);
  expect((await hub.ask("GET", `/agent/v1/blobs/${SHA}`)).status).toBe(401);
});
