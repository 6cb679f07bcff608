import { expect, test } from "bun:test";
import { admitted } from "../../../../shared/sim/test-enrollment.ts";
import { testHost } from "../../../../shared/sim/test-fleet.ts";
import { testOp } from "../../../../shared/sim/test-hub-op.ts";
import { type TestHub, testHub } from "../../../../shared/sim/test-hub.ts";

/** A body that each route takes, so that one more field, another type or a repeated key is the only thing wrong with it. */
function bodies(hub: TestHub): Readonly<Record<string, Readonly<Record<string, unknown>>>> {
  const { hostId } = testHost("web");
  const cert = hub.fleet.cert(testHost("web"), { serial: 9 });
  return {
    "POST /api/v1/setup": { setup_token: "x", root: hub.fleet.rootEnvelope },
    "POST /api/v1/login/sessions": { challenge_id: "c1", key_id: hub.fleet.key.keyId, signature: "A".repeat(86) },
    "POST /api/v1/roots": { envelope: hub.fleet.rootEnvelope },
    "POST /api/v1/enrollments/e-web/approve": { host_cert: cert },
    "POST /api/v1/enrollments/e-web/reject": { reason: "no" },
    [`PUT /api/v1/hosts/${hostId}/spec`]: { mode: "monitor" },
    [`PUT /api/v1/hosts/${hostId}/certificate`]: { host_cert: cert },
    [`POST /api/v1/hosts/${hostId}/revoke`]: { reason: "no" },
    "POST /api/v1/grants": { envelope: hub.fleet.grant("g1") },
    "POST /api/v1/bundles": { envelope: hub.fleet.bundle(1, {}) },
    "POST /api/v1/blobs/missing": { sha256: [] },
    "POST /api/v1/tokens": { name: "ci", role: "viewer" },
    "POST /api/v1/ops": { envelope: testOp(hub).envelope },
    "POST /api/v1/returns": { envelopes: [testOp(hub).envelope] },
    "POST /api/v1/ops/drafts": { payload: testOp(hub).envelope.payload },
    "POST /api/v1/ops/o-aaaaaaaaaaaaaaaa/signatures": { keyid: "a".repeat(26), sig: "A".repeat(88) },
  };
}

test("attack 53: a field that nobody asked for is refused on every route that takes a body, and changes nothing", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  await admitted(hub, token, "web");
  const given = bodies(hub);
  const taking = hub.routes.filter(({ path, bodySchema }) => path.startsWith("/api/") && bodySchema !== undefined);
  expect(Object.keys(given)).toHaveLength(taking.length);
  for (const [row, body] of Object.entries(given)) {
    const [method = "", path = ""] = row.split(" ");
    const before = await stateOf(hub);
    for (const extra of [
      { is_admin: true },
      { approved: true },
      { host_id: "h-aaaaaaaaaaaaaaaa" },
      { generation: 99 },
      { id: 1 },
      JSON.parse('{"__proto__":{"role":"admin"}}'),
      { constructor: 1 },
    ]) {
      const reply = await hub.ask(method, path, { token, body: { ...body, ...extra }, headers: { "if-match": '"1"' } });
      const sent = JSON.stringify({ ...body, ...extra });
      if (sent !== JSON.stringify(body)) expect([row, extra, reply.status, reply.json.code]).toEqual([row, extra, 400, "bad_request"]);
    }
    expect(await stateOf(hub)).toBe(before);
  }
});

test("attack 53: another type is not converted, a key given twice is not chosen from, text around the body is not skipped", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const post = async (body: unknown) => (await hub.ask("POST", "/api/v1/tokens", { token, body })).status;
  for (const body of [
    { name: ["ci"], role: "viewer" },
    { name: "ci", role: ["viewer"] },
    { name: "ci", role: "viewer", expires_at: "9999999999999" },
    { name: 1, role: "viewer" },
    [],
    "x",
    null,
    { name: "CI", role: "viewer" },
    { name: "../x", role: "viewer" },
    { name: "ci", role: "root" },
  ]) {
    expect([body, await post(body === "x" || body === null ? JSON.stringify(body) : body)]).toEqual([body, 400]);
  }
  for (const text of [
    '{"name":"ci","role":"viewer","role":"admin"}',
    '{"name":"ci","role":"viewer"}{}',
    '\uFEFF{"name":"ci","role":"viewer"}',
    '{"name":"ci","role":"viewer",}',
    "",
    "{",
    '{"name":"ci","role":"view\\ud800"}',
    "[".repeat(1_000),
  ])
    expect([text.slice(0, 40), await post(text)]).toEqual([text.slice(0, 40), 400]);
  expect((await hub.ask("GET", "/api/v1/tokens", { token })).json.items).toEqual([]);
});

test("attack 52: another verb, an overriding header or another spelling of a path is another request, and refused", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const status = async (method: string, path: string, headers: Record<string, string> = {}) => (await hub.ask(method, path, { token, headers })).status;
  expect((await hub.ask("PUT", "/api/v1/tokens", { token })).headers.get("allow")).toBe("GET, POST");
  for (const method of ["PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "PROPFIND"])
    expect([method, await status(method, "/api/v1/hosts")]).toEqual([method, 405]);
  for (const header of ["x-http-method-override", "x-http-method", "x-method-override", "x-original-url", "x-rewrite-url"])
    expect([header, await status("GET", "/api/v1/hosts", { [header]: "DELETE" })]).toEqual([header, 400]);
  for (const path of [
    "/api/v1/hosts/",
    "//api/v1/hosts",
    "/api//v1/hosts",
    "/API/v1/hosts",
    "/api/v1/Hosts",
    "/api/v1%2fhosts",
    "/api/v1/hosts%00",
    "/api/v1/hosts;x=1",
    "/api/v1/%68osts",
    "/api/v1/hosts.json",
  ]) {
    expect([path, await status("GET", path)]).toEqual([path, 404]);
  }
});

test("attack 53: a query parameter that is unknown, or given twice, is refused", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  for (const query of [
    "sort=name",
    "limit=1&limit=2",
    "contact=up&contact=down",
    "limit[]=1",
    "limit=1%00",
    "limit=1e2",
    "limit=+1",
    "name=[a-z]*",
    "label=__proto__%5Bx%5D",
    "admin=true",
  ]) {
    expect([query, (await hub.ask("GET", `/api/v1/hosts?${query}`, { token })).status]).toEqual([query, 400]);
  }
  for (const path of ["/api/v1/roots?x=1", "/api/v1/status?verbose", "/openapi.json?x=1"]) expect((await hub.ask("GET", path, { token })).status).toBe(400);
});

test("attack 82: what looks like SQL is a value", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  await admitted(hub, token, "web", { site: "x' OR '1'='1" });
  const ask = async (query: string) => (await hub.ask("GET", `/api/v1/hosts?${query}`, { token })).json;
  expect((await ask(`label=${encodeURIComponent("site=x' OR '1'='1")}`)).items).toHaveLength(1);
  expect((await ask(`label=${encodeURIComponent("site=' OR 1=1 --")}`)).items).toHaveLength(0);
  expect((await hub.ask("POST", `/api/v1/grants/${encodeURIComponent("x' OR 1=1")}/revoke`, { token })).status).toBe(404);
});

test("attack 49: a body above its route's bound is refused by its length alone", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  for (const [path, bytes] of [
    ["/api/v1/tokens", 1_025],
    ["/api/v1/grants", 64 * 1_024 + 1],
    ["/api/v1/roots", 128 * 1_024 + 1],
  ] as const) {
    const reply = await hub.ask("POST", path, { token, body: `"${"a".repeat(bytes - 2)}"`, headers: { "content-length": String(bytes) } });
    expect([path, reply.status, reply.json.code]).toEqual([path, 413, "too_large"]);
  }
});

test("attack 60: every answer says what it is, is not sniffed, and is kept by nobody", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  for (const [method, path] of [
    ["GET", "/api/v1/hosts"],
    ["GET", "/api/v1/nothing"],
    ["PUT", "/api/v1/hosts"],
    ["GET", "/openapi.json"],
    ["POST", "/api/v1/tokens"],
    ["GET", "/api/v1/events"],
  ] as const) {
    const { headers } = await hub.ask(method, path, { token });
    expect([path, headers.get("x-content-type-options"), headers.get("content-security-policy")?.includes("default-src 'none'")]).toEqual([
      path,
      "nosniff",
      true,
    ]);
    expect(headers.get("content-type")).toMatch(/^application\/(?:problem\+)?json/);
    expect(headers.get("cache-control")).toMatch(path === "/openapi.json" ? /max-age/ : /no-store|private/);
  }
});

/** Everything that a mutation could have changed but the rows that tell of refusals. */
async function stateOf(hub: TestHub): Promise<string> {
  return hub.hub.store.read((db) =>
    JSON.stringify(["hosts", "tokens", "roots", "grants", "bundles", "enrollments"].map((table) => db.all("test", `SELECT * FROM ${table}`))),
  );
}
