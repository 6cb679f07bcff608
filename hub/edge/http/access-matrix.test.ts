/**
 * Attacks 54, 55, 56: every route of this build × every kind of credential. The rows are written by hand and not read from the routes, so
 * that a route whose capability is wrong fails here, and a route without a row fails too.
 */
import { expect, test } from "bun:test";
import { admitted, credentialOf } from "../../../shared/sim/test-enrollment.ts";
import { testHost } from "../../../shared/sim/test-fleet.ts";
import { type TestHub, testHub } from "../../../shared/sim/test-hub.ts";
import { findOperator } from "../access/find-operator.ts";
import { makeSecret, SESSION_PREFIX, TOKEN_PREFIX } from "../store/credentials.ts";

type Least = "anybody" | "box" | "viewer" | "operator" | "admin";

const ROWS: Readonly<Record<string, Least>> = {
  "GET /healthz": "anybody",
  "GET /readyz": "anybody",
  "GET /openapi.json": "anybody",
  "GET /metrics": "viewer",
  "POST /enroll/v1/challenges": "anybody",
  "POST /enroll/v1/requests": "anybody",
  "GET /enroll/v1/requests/{request_id}": "anybody",
  "POST /agent/v1/sync": "box",
  "GET /agent/v1/blobs/{sha256}": "box",
  "POST /api/v1/setup": "anybody",
  "POST /api/v1/login/challenges": "anybody",
  "POST /api/v1/login/sessions": "anybody",
  "DELETE /api/v1/login/sessions/current": "viewer",
  "GET /api/v1/status": "viewer",
  "GET /api/v1/roots": "viewer",
  "POST /api/v1/roots": "admin",
  "GET /api/v1/enrollments": "viewer",
  "POST /api/v1/enrollments/{request_id}/approve": "operator",
  "POST /api/v1/enrollments/{request_id}/reject": "operator",
  "GET /api/v1/hosts": "viewer",
  "GET /api/v1/hosts/{host_id}": "viewer",
  "GET /api/v1/hosts/{host_id}/timeline": "viewer",
  "GET /api/v1/hosts/{host_id}/spec": "viewer",
  "PUT /api/v1/hosts/{host_id}/spec": "operator",
  "PUT /api/v1/hosts/{host_id}/certificate": "operator",
  "POST /api/v1/hosts/{host_id}/revoke": "operator",
  "GET /api/v1/grants": "viewer",
  "POST /api/v1/grants": "operator",
  "POST /api/v1/grants/{grant_id}/revoke": "operator",
  "GET /api/v1/bundles": "viewer",
  "GET /api/v1/bundles/{version}": "viewer",
  "POST /api/v1/bundles": "operator",
  "POST /api/v1/blobs/missing": "operator",
  "PUT /api/v1/blobs/{sha256}": "operator",
  "GET /api/v1/blobs/{sha256}": "viewer",
  "GET /api/v1/identities": "viewer",
  "GET /api/v1/ops": "viewer",
  "GET /api/v1/ops/{op_id}": "viewer",
  "GET /api/v1/ops/{op_id}/targets": "viewer",
  "GET /api/v1/ops/{op_id}/returns": "viewer",
  "GET /api/v1/ops/{op_id}/returns/stream": "viewer",
  "GET /api/v1/hosts/{host_id}/op-log": "viewer",
  "POST /api/v1/ops": "operator",
  "POST /api/v1/ops/drafts": "operator",
  "POST /api/v1/ops/{op_id}/signatures": "operator",
  "POST /api/v1/ops/{op_id}/cancel": "operator",
  "POST /api/v1/returns": "operator",
  "GET /api/v1/events": "viewer",
  "GET /api/v1/events/stream": "viewer",
  "GET /api/v1/audit": "operator",
  "GET /api/v1/audit/verification": "operator",
  "GET /api/v1/tokens": "admin",
  "POST /api/v1/tokens": "admin",
  "DELETE /api/v1/tokens/{token_id}": "admin",
};

/** What each credential is let into; everything else is 401 or, for an operator's that is too weak, 403. */
const OPENS: Readonly<Record<string, readonly Least[]>> = {
  none: ["anybody"],
  garbage: ["anybody"],
  "made-up session": ["anybody"],
  "made-up token": ["anybody"],
  "revoked token": ["anybody"],
  "expired token": ["anybody"],
  "session of a key that left": ["anybody"],
  "revoked box": ["anybody"],
  box: ["anybody", "box"],
  viewer: ["anybody", "viewer"],
  operator: ["anybody", "viewer", "operator"],
  "admin token": ["anybody", "viewer", "operator", "admin"],
  "admin session": ["anybody", "viewer", "operator", "admin"],
};

const routesOf = (hub: TestHub): string[] => ["POST /agent/v1/sync", ...hub.routes.map(({ method, path }) => `${method} ${path}`)];

test("attack 55: every route has a row, and every row a route", async () => {
  using hub = await testHub();
  expect([...new Set(routesOf(hub))].toSorted()).toEqual(Object.keys(ROWS).toSorted());
});

for (const [kind, opens] of Object.entries(OPENS)) {
  test(`attack 54: ${kind} opens ${opens.join(", ")} routes and no other`, async () => {
    using hub = await testHub();
    const credentials = await makeCredentials(hub);
    const wrong: string[] = [];
    for (const row of Object.keys(ROWS)) {
      const [method = "", path = ""] = row.split(" ");
      const token = kind === "admin session" ? await hub.logIn() : credentials[kind];
      const response = await hub.fetch(
        method,
        path.replaceAll(/\{[a-z0-9_]+\}/g, (name) => PARAMS[name] ?? "x"),
        { token, ...bodyOf(hub, row) },
      );
      await response.body?.cancel();
      const least = ROWS[row] ?? "admin";
      const isLetIn = response.status !== 401 && response.status !== 403;
      const isKnown = ["viewer", "operator", "admin token", "admin session"].includes(kind);
      const wanted = opens.includes(least) ? "in" : isKnown && least !== "box" ? "403" : "401";
      const seen = isLetIn ? "in" : String(response.status);
      // Routes open to anybody prove the caller in the body; without a proof they answer 401 too.
      if (seen !== wanted && !(least === "anybody" && response.status === 401)) wrong.push(`${row}: ${seen} instead of ${wanted}`);
    }
    expect(wrong).toEqual([]);
  });
}

test("attack 51: a credential in the query, or under another scheme, is no credential", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  for (const query of [`access_token=${token}`, `token=${token}`, `authorization=Bearer%20${token}`])
    expect((await hub.ask("GET", `/api/v1/hosts?${query}`)).status).toBe(401);
  for (const authorization of [token, `Basic ${token}`, `Token ${token}`, `Bearer  ${token}`, `Bearer ${token} x`, "Bearer", ""])
    expect((await hub.ask("GET", "/api/v1/hosts", { headers: { authorization } })).status).toBe(401);
  expect((await hub.ask("GET", "/api/v1/hosts", { headers: { cookie: `session=${token}` } })).status).toBe(401);
  expect(JSON.stringify(hub.world.logged)).not.toContain(token);
});

test("attack 58: every credential that does not count gets the very same answer", async () => {
  using hub = await testHub();
  const credentials = await makeCredentials(hub);
  const answers = new Set<string>();
  for (const kind of ["none", "garbage", "made-up session", "made-up token", "revoked token", "expired token", "session of a key that left", "box"]) {
    const { status, text, headers } = await hub.ask("GET", "/api/v1/hosts", { token: credentials[kind] });
    answers.add(`${status} ${text} ${headers.get("www-authenticate")}`);
  }
  expect(answers.size).toBe(1);
});

test("attack 58: how long a look-up takes says nothing of how much of a secret was right (10 000 samples)", async () => {
  using hub = await testHub();
  const token = await hub.token("viewer");
  const near = `${token.slice(0, -1)}${token.endsWith("A") ? "B" : "A"}`;
  const far = makeSecret(TOKEN_PREFIX, new Uint8Array(32).fill(3));
  const times = { near: [] as number[], far: [] as number[] };
  for (let n = 0; n < 5_000; n += 1) {
    for (const [kind, secret] of [
      ["near", near],
      ["far", far],
    ] as const) {
      const started = Bun.nanoseconds();
      const principal = await findOperator(hub.hub, secret);
      times[kind].push(Bun.nanoseconds() - started);
      expect(principal.is).toBe("nobody");
    }
  }
  const median = (all: number[]): number => all.toSorted((a, b) => a - b)[all.length >> 1] ?? 0;
  expect(median(times.near) / median(times.far)).toBeWithin(0.67, 1.5);
});

const PARAMS: Readonly<Record<string, string>> = {
  "{host_id}": testHost("web").hostId,
  "{request_id}": "e-web",
  "{sha256}": "0".repeat(64),
  "{version}": "1",
  "{grant_id}": "g1",
  "{token_id}": "t-none",
  "{op_id}": "o-aaaaaaaaaaaaaaaa",
};

function bodyOf(hub: TestHub, row: string): { body?: unknown; bytes?: Uint8Array } {
  const route = hub.routes.find(({ method, path }) => `${method} ${path}` === row);
  if (row === "POST /agent/v1/sync") return { body: {} };
  if (route === undefined || route.bodyBytesMax === 0) return {};
  return route.bodyForm === "stream" || route.bodyForm === "octets" ? { bytes: new Uint8Array([1]) } : { body: {} };
}

async function makeCredentials(hub: TestHub): Promise<Readonly<Record<string, string | undefined>>> {
  const session = await hub.logIn();
  const make = async (role: string, expires_at?: number) =>
    (await hub.ask("POST", "/api/v1/tokens", { token: session, body: { name: "x", role, ...(expires_at === undefined ? {} : { expires_at }) } })).json;
  const revoked = await make("admin");
  await hub.ask("DELETE", `/api/v1/tokens/${revoked.id}`, { token: session });
  const expired = await make("admin", hub.world.clock.wallMs() + 1);
  await hub.world.clock.advance(1);
  const gone = await admitted(hub, session, "gone");
  const revokedBox = await credentialOf(hub, "e-gone", gone);
  await hub.ask("POST", `/api/v1/hosts/${gone.hostId}/revoke`, { token: session, body: {} });
  const box = await credentialOf(hub, "e-web", await admitted(hub, session, "web"));
  const left = makeSecret(SESSION_PREFIX, new Uint8Array(32).fill(9));
  await hub.hub.store.write("test.session", (tx) => {
    tx.db.run(
      "test",
      "INSERT INTO sessions (secret_sha256, session_id, key_id, role, address, created_at, expires_at) VALUES (?, 's-left', ?, 'admin', '', 0, 9999999999999)",
      new Bun.CryptoHasher("sha256").update(left).digest("hex"),
      "a".repeat(26),
    );
  });
  return {
    none: undefined,
    garbage: "hello",
    "made-up session": makeSecret(SESSION_PREFIX, new Uint8Array(32)),
    "made-up token": makeSecret(TOKEN_PREFIX, new Uint8Array(32)),
    "revoked token": revoked.token,
    "expired token": expired.token,
    "session of a key that left": left,
    "revoked box": revokedBox,
    box,
    viewer: (await make("viewer")).token,
    operator: (await make("operator")).token,
    "admin token": (await make("admin")).token,
  };
}
