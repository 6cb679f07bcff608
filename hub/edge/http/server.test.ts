import { connect } from "node:net";
import { expect, test } from "bun:test";
import { realNet } from "../../../shared/edge/net.ts";
import { problem } from "../../../shared/protocol/problem.ts";
import { TestBox } from "../../../shared/sim/test-box.ts";
import { type TestHub, testHub } from "../../../shared/sim/test-hub.ts";
import { SYNC_PATH } from "./server.ts";

const PEER = { address: "192.0.2.7", hold: () => {} };
const raw = (hub: TestHub, path: string, init: Omit<RequestInit, "headers"> & { readonly headers?: Record<string, string> } = {}) =>
  hub.handle(new Request(`http://hub.test${path}`, { ...init, headers: { host: "hub.test", ...init.headers } }), PEER);

test("errors are problem details with a stable code, a sentence and the right headers", async () => {
  using hub = await testHub();
  const reply = await hub.ask("GET", "/api/v1/hosts");
  expect(problem.parse(reply.json)).toMatchObject({ status: 401, code: "unauthenticated", type: "urn:felhom:problem:unauthenticated" });
  expect(reply.headers.get("content-type")).toBe("application/problem+json");
  expect(reply.headers.get("www-authenticate")).toBe("Bearer");
  expect(reply.headers.get("x-content-type-options")).toBe("nosniff");
  expect(reply.headers.get("cache-control")).toBe("no-store");
  expect(reply.headers.get("x-request-id")).toMatch(/^[0-9a-f]{16}$/);
});

test.each(["HEAD", "OPTIONS", "TRACE"])("attack 52: %s is no method of this hub", async (method) => {
  using hub = await testHub();
  for (const path of ["/healthz", "/api/v1/hosts", SYNC_PATH]) {
    // A Request cannot be made with TRACE: what arrives from a socket can.
    const request = new Proxy(new Request(`http://hub.test${path}`, { headers: { host: "hub.test" } }), {
      get: (target, name) => {
        const value: unknown = name === "method" ? method : Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    expect((await hub.handle(request, PEER)).status).toBe(405);
  }
});

test("attack 52: another method than a path's own is refused with the list of those it takes", async () => {
  using hub = await testHub();
  const reply = await hub.ask("DELETE", "/healthz");
  expect([reply.status, reply.json.code, reply.headers.get("allow")]).toEqual([405, "method_not_allowed", "GET"]);
  expect((await hub.ask("GET", SYNC_PATH)).headers.get("allow")).toBe("POST");
});

test.each(["x-http-method-override", "x-http-method", "x-method-override", "x-original-url", "x-rewrite-url"])("attack 52: %s is refused", async (header) => {
  using hub = await testHub();
  expect((await raw(hub, "/healthz", { headers: { [header]: "DELETE" } })).status).toBe(400);
});

test.each([
  "/healthz/",
  "//healthz",
  "/HEALTHZ",
  "/healthz%2f",
  "/%68ealthz",
  "/healthz;x=1",
  "/api/v1//hosts",
  "/api/v1/hosts/",
  "/api/v1/hosts%00",
  "/nothing",
  "/agent/v1/sync/",
])("attack 52: %s is no path of this hub", async (path) => {
  using hub = await testHub();
  const reply = await raw(hub, path);
  expect([reply.status, problem.parse(await reply.json()).code]).toEqual([404, "not_found"]);
});

test.each([
  ["two hosts", "good, evil"],
  ["no host", ""],
  ["a path in the host", "good/evil"],
  ["a user in the host", "user@good"],
  ["a host with a space", "go od"],
])("attack 47: %s is refused on every way in", async (_what, host) => {
  using hub = await testHub();
  const box = await new TestBox(hub, "web-1").enroll();
  expect((await raw(hub, "/healthz", { headers: { host } })).status).toBe(400);
  const sync = {
    method: "POST",
    headers: { host, authorization: `Bearer ${box.credential}`, "content-type": "application/json" },
    body: JSON.stringify({ ...box.says, wait_ms: 0, outbox: [] }),
  };
  expect((await raw(hub, SYNC_PATH, sync)).status).toBe(400);
});

test("attack 49: every route refuses a body above its own bound by its announced length", async () => {
  using hub = await testHub();
  const admin = await hub.logIn();
  const box = await new TestBox(hub, "web-1").enroll();
  for (const route of hub.routes) {
    const token = route.capability === "agent" ? box.credential : admin;
    const path = route.path.replaceAll("{sha256}", "0".repeat(64)).replaceAll(/\{[a-z_]+\}/g, "x");
    const init = {
      method: route.method,
      headers: {
        authorization: `Bearer ${token}`,
        "content-type": route.bodyForm === undefined ? "application/json" : "application/octet-stream",
        "content-length": String(route.bodyBytesMax + 1),
      },
    };
    const reply = await raw(hub, path, init);
    expect([`${route.method} ${route.path}`, reply.status]).toEqual([`${route.method} ${route.path}`, route.bodyBytesMax === 0 ? 400 : 413]);
  }
});

test("attack 51: a credential in the query opens nothing", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  expect((await hub.ask("GET", `/api/v1/hosts?token=${token}`)).status).toBe(401);
  expect((await hub.ask("GET", `/api/v1/hosts?access_token=${token}`, { token })).status).toBe(400);
});

test("attack 53: a parameter given twice and one that nobody knows are refused", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  expect((await hub.ask("GET", "/api/v1/hosts?limit=1&limit=2", { token })).json.code).toBe("bad_request");
  expect((await hub.ask("GET", "/api/v1/hosts?role=admin", { token })).json.code).toBe("bad_request");
  expect((await hub.ask("GET", "/healthz?x=1")).json.code).toBe("bad_request");
});

test.each([
  ["another content type", { "content-type": "text/plain" }, "{}", 415],
  ["no content type", {}, "{}", 415],
  ["no JSON", { "content-type": "application/json" }, "{", 400],
  ["a key twice", { "content-type": "application/json" }, '{"v":1,"v":1}', 400],
  ["malformed UTF-8", { "content-type": "application/json" }, new Uint8Array([0x22, 0xff, 0x22]), 400],
  ["two lengths", { "content-type": "application/json", "content-length": "2, 2" }, "{}", 400],
])("attack 46, 53: a body with %s is refused", async (_what, headers, body, status) => {
  using hub = await testHub();
  expect((await raw(hub, "/enroll/v1/requests", { method: "POST", headers, body })).status).toBe(status);
});

test("attack 55: what the hub counts is for operators; what it says to strangers is only whether it works", async () => {
  using hub = await testHub({ checks: () => [{ name: "store", health: { is: "failed", because: "/var/lib/secret is full" } }] });
  expect((await hub.ask("GET", "/metrics")).status).toBe(401);
  const box = await new TestBox(hub, "web-1").enroll();
  expect((await hub.ask("GET", "/metrics", { token: box.credential })).status).toBe(401);
  expect((await hub.ask("GET", "/metrics", { token: await hub.token("viewer") })).status).toBe(200);
  expect((await hub.ask("GET", "/healthz")).json).toEqual({ alive: true });
  const ready = await hub.ask("GET", "/readyz");
  expect([ready.status, ready.json]).toEqual([503, { ready: false, checks: [{ name: "store", is: "failed" }] }]);
});

test("a handler that fails by itself says nothing of why, and the log has the cause", async () => {
  using hub = await testHub({
    routes: () => [
      {
        method: "GET",
        path: "/broken",
        capability: "open",
        summary: "",
        bodyBytesMax: 0,
        replies: {},
        bodySchema: undefined,
        querySchema: undefined,
        handle: () => Promise.reject(new Error("/etc/shadow")),
      },
    ],
  });
  const reply = await hub.ask("GET", "/broken");
  expect([reply.status, reply.json.code, reply.text.includes("shadow")]).toEqual([500, "internal", false]);
  expect(hub.world.logged.some((line) => line.event === "http.failed")).toBe(true);
});

test("attack 47, 48: one address that asks too often is told to wait; a header does not make it another", async () => {
  using hub = await testHub({ limits: { requestsPerSecondPerAddress: 1 } });
  const statuses = [];
  for (let n = 0; n < 6; n += 1) statuses.push((await hub.ask("GET", "/healthz", { headers: { "x-forwarded-for": `203.0.113.${n}` } })).status);
  expect(statuses).toEqual([200, 200, 200, 200, 429, 429]);
  await hub.world.clock.advance(1_000);
  expect((await hub.ask("GET", "/healthz")).status).toBe(200);
});

test("unknown paths are counted too", async () => {
  using hub = await testHub({ limits: { refusalsPerMinutePerAddress: 3 } });
  const statuses = [];
  for (let n = 0; n < 5; n += 1) statuses.push((await hub.ask("GET", `/guess-${n}`)).status);
  expect(statuses).toEqual([404, 404, 404, 429, 429]);
});

/** On the wire, where no Request object cleans up first. */
const wire = (port: number, text: string): Promise<string> =>
  new Promise((resolve) => {
    let got = "";
    const socket = connect(port, "127.0.0.1", () => socket.write(text));
    socket.on("data", (part) => {
      got += String(part);
      if (/^HTTP\/1\.1 \d+/.test(got)) socket.destroy();
    });
    socket.on("close", () => resolve(/^HTTP\/1\.1 (\d+)/.exec(got)?.[1] ?? "closed"));
    socket.on("error", () => resolve("closed"));
  });

test.each([
  [
    "a length and chunks",
    "POST /enroll/v1/requests HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ["400", "closed"],
  ],
  [
    "two lengths",
    "POST /enroll/v1/requests HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
    ["400", "closed"],
  ],
  [
    "one length twice",
    "POST /enroll/v1/requests HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    ["400", "closed"],
  ],
  ["a signed length", "POST /enroll/v1/requests HTTP/1.1\r\nHost: a\r\nContent-Length: +2\r\n\r\n{}", ["400", "closed"]],
  ["a hex length", "POST /enroll/v1/requests HTTP/1.1\r\nHost: a\r\nContent-Length: 0x2\r\n\r\n{}", ["400", "closed"]],
  ["another coding", "POST /enroll/v1/requests HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", ["400", "501", "closed"]],
  ["a space before the colon", "GET /healthz HTTP/1.1\r\nHost : a\r\n\r\n", ["400", "closed"]],
  ["NUL in a header", "GET /healthz HTTP/1.1\r\nHost: a\r\nx: \0\r\n\r\n", ["400", "closed"]],
  ["two hosts", "GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", ["400"]],
  ["no host", "GET /healthz HTTP/1.0\r\n\r\n", ["400"]],
  ["HEAD", "HEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\n", ["405"]],
  ["TRACE", "TRACE /healthz HTTP/1.1\r\nHost: a\r\n\r\n", ["405"]],
  ["an encoded slash", "GET /healthz%2f HTTP/1.1\r\nHost: a\r\n\r\n", ["404"]],
  [
    "a body above every bound",
    "POST /api/v1/setup HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n",
    ["413", "closed"],
  ],
  ["nothing wrong", "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", ["200"]],
])("attack 46, 47, 52 on a socket: %s", async (_what, text, allowed) => {
  using hub = await testHub();
  const listener = await realNet().serve("test", { on: "tcp", address: "127.0.0.1", port: 0, bodyBytesMax: 1024 ** 2 }, (request, peer) =>
    hub.handle(request, peer),
  );
  try {
    expect(allowed).toContain(await wire(listener.port, text));
  } finally {
    await listener.stop(0);
  }
});
