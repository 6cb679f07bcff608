import { expect, test } from "bun:test";
import { utf8 } from "../../../../shared/core/bytes.ts";
import { sha256Hex } from "../../../../shared/core/sha256.ts";
import { FLEET_MADE_MS, testFleet, testHost, testKey } from "../../../../shared/sim/test-fleet.ts";
import { TestBox } from "../../../../shared/sim/test-box.ts";
import { type Reply, type TestHub, testHub } from "../../../../shared/sim/test-hub.ts";

const put = (hub: TestHub, token: string, text: string, sha = sha256Hex(utf8(text))) => hub.ask("PUT", `/api/v1/blobs/${sha}`, { token, bytes: utf8(text) });
const publish = (hub: TestHub, token: string, envelope: unknown) => hub.ask("POST", "/api/v1/bundles", { token, body: { envelope } });

test("a bundle is current once its blobs are there and it verifies", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const files = { "fleet.yaml": "name: test\n", "files/motd": "hello\n" };
  const sha = Object.values(files).map((text) => sha256Hex(utf8(text)));
  expect((await hub.ask("POST", "/api/v1/blobs/missing", { token, body: { sha256: [...sha, ...sha] } })).json).toEqual({ missing: sha });
  const early = await publish(hub, token, hub.fleet.bundle(1, files));
  expect([early.status, early.json.code]).toEqual([422, "blob_missing"]);
  expect((await put(hub, token, "hello\n")).status).toBe(201);
  expect((await put(hub, token, "hello\n")).status).toBe(200);
  expect((await put(hub, token, "name: test\n")).status).toBe(201);
  const done = await publish(hub, token, hub.fleet.bundle(1, files));
  expect([done.status, done.json.item]).toEqual([
    201,
    {
      version: 1,
      created_at: FLEET_MADE_MS,
      expires_at: FLEET_MADE_MS + 90 * 86_400_000,
      message: "version 1",
      files: 2,
      bytes: 17,
      signers: [hub.fleet.key.keyId],
      received_at: hub.world.clock.wallMs(),
      hosts_in_force: 0,
    },
  ]);
  expect(hub.hub.fleet.bundleVersion).toBe(1);
  const shown = await hub.ask("GET", "/api/v1/bundles/1", { token });
  expect(shown.json.item.envelope).toEqual(hub.fleet.bundle(1, files));
  expect((await hub.ask("GET", `/api/v1/blobs/${sha[1]}`, { token })).text).toBe("hello\n");
  await hub.restart();
  expect(hub.hub.fleet.bundleVersion).toBe(1);
});

test("what does not verify is refused by the check that found it, and stays out", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  await publish(hub, token, hub.fleet.bundle(5, {}));
  const code = async (envelope: unknown) => (await publish(hub, token, envelope)).json.code;
  expect(await code(hub.fleet.bundle(5, {}))).toBe("version_not_newer");
  expect(await code(hub.fleet.bundle(4, {}))).toBe("below_floor");
  expect(await code(hub.fleet.bundle(5_000_000, {}))).toBe("version_step");
  expect(await code(testFleet("two").bundle(6, {}))).toBe("key_unknown");
  expect(await code(hub.fleet.bundle(6, {}, { expires_at: FLEET_MADE_MS + 1 }))).toBe("expired");
  expect(await code(hub.fleet.cert(testHost("x")))).toBe("wrong_type");
  expect(await code({ ...hub.fleet.bundle(6, {}), signatures: [{ keyid: hub.fleet.key.keyId, sig: `${"A".repeat(86)}==` }] })).toBe("signature_bad");
  expect(hub.hub.fleet.bundleVersion).toBe(5);
  expect((await hub.ask("GET", "/api/v1/bundles", { token })).json.items).toHaveLength(1);
  expect(testKey("x").keyId).not.toBe(hub.fleet.key.keyId);
});

test("a blob that is not what its name says is refused and leaves nothing", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const sha = sha256Hex(utf8("wanted"));
  const reply = await put(hub, token, "given", sha);
  expect([reply.status, reply.json.code]).toEqual([422, "blob_mismatch"]);
  expect((await hub.ask("GET", `/api/v1/blobs/${sha}`, { token })).status).toBe(404);
  expect(hub.world.files.list("test", `${hub.world.dir}/blobs/${sha.slice(0, 2)}`)).toEqual([]);
  expect((await hub.ask("PUT", "/api/v1/blobs/..%2f..%2fetc", { token, bytes: utf8("x") })).status).toBe(404);
  expect((await hub.ask("PUT", `/api/v1/blobs/${sha.toUpperCase()}`, { token, bytes: utf8("wanted") })).status).toBe(404);
});

test("a manifest that gives a stored blob another size is refused", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  await put(hub, token, "hello\n");
  const lying = { path: "a", mode: 0o644, sha256: sha256Hex(utf8("hello\n")), size: 7 };
  const reply = await publish(hub, token, hub.fleet.bundle(1, {}, { files: [lying] as never }));
  expect(reply.json.code).toBe("blob_mismatch");
});

test("a publish, an edit and a relabel each wake the held sync of the box they are for", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const box = await new TestBox(hub, "web").enroll();
  await box.sync(); // the first use of a credential is answered at once
  const path = `/api/v1/hosts/${box.keys.hostId}`;
  const held = () => box.sync({ wait_ms: 55_000 });
  const acts: readonly (readonly [string, () => Promise<Reply>])[] = [
    ["bundle", () => publish(hub, token, hub.fleet.bundle(1, {}))],
    ["spec", () => hub.ask("PUT", `${path}/spec`, { token, body: { mode: "monitor" }, headers: { "if-match": '"1"' } })],
    ["host_cert", () => hub.ask("PUT", `${path}/certificate`, { token, body: { host_cert: hub.fleet.cert(box.keys, { serial: 2, name: "shop" }) } })],
  ];
  for (const [what, act] of acts) {
    const waiting = held();
    while (hub.hub.courier.held === 0) await new Promise((resolve) => setImmediate(resolve));
    expect((await act()).status).toBeLessThan(300);
    const { json } = await waiting;
    expect([what, what in json]).toEqual([what, true]);
    box.says = { ...box.says, have: { ...box.says.have, bundle: 1, spec: json.spec?.generation ?? box.says.have.spec, cert: what === "host_cert" ? 2 : 1 } };
  }
});

test("attack 59: of 100 publishes of one version one wins", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const replies = await Promise.all(Array.from({ length: 100 }, (_, n) => publish(hub, token, hub.fleet.bundle(7, {}, { message: `racer ${n}` }))));
  expect(replies.filter(({ status }) => status === 201)).toHaveLength(1);
  expect(replies.filter(({ json }) => json.code === "version_not_newer")).toHaveLength(99);
});

test("bundles are listed newest first, a page at a time", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  for (let version = 1; version <= 5; version += 1) await publish(hub, token, hub.fleet.bundle(version, {}));
  const seen: number[] = [];
  for (let path: string | undefined = "/api/v1/bundles?limit=2"; path !== undefined; ) {
    const { json } = await hub.ask("GET", path, { token });
    seen.push(...json.items.map((item: { version: number }) => item.version));
    path = json.next === undefined ? undefined : `/api/v1/bundles?limit=2&cursor=${json.next}`;
  }
  expect(seen).toEqual([5, 4, 3, 2, 1]);
});
