/**
 * H01: the real hub is killed (kill -9) at its N-th write, fsync, rename or unlink while an operator sets it up, logs in, makes a token,
 * approves a box, uploads and publishes, edits a spec, rotates the root, and while the box syncs and reports. After each kill
 * the hub is started again on the same directory: whatever was answered is there, whatever was not is there whole or not at all, every
 * change that is there has its one audit row, the chain is unbroken, and the same story can be told to its end.
 */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { utf8 } from "../../shared/core/bytes.ts";
import { base64url } from "../../shared/core/bytes.ts";
import { sha256Hex } from "../../shared/core/sha256.ts";
import { reportItem, TestBox } from "../../shared/sim/test-box.ts";
import { testFleet, testRootPayload } from "../../shared/sim/test-fleet.ts";
import type { Ask, Reply, TestHub } from "../../shared/sim/test-hub.ts";
import { sign } from "../../shared/trust/keys.ts";
import { rootPayload } from "../../shared/trust/payloads.ts";
import { signPayload } from "../../shared/trust/sign-payload.ts";
import { loginText } from "../../hub/core/login/challenge.ts";
import { BINARY } from "../../scripts/fleet/real-fleet.ts";
import { EXHAUSTIVE, killAt, noKills, SWEEP_MS_MAX, sweep, tell as print } from "../loopback/kill-points.ts";

/** How many calls go by between two kills: writes to SQLite's files come by the hundred and mean something only with the fsync after them. */
const SYSCALLS = { fsync: 1, rename: 1, unlink: 1, pwrite64: EXHAUSTIVE ? 1 : 5 } as const;
const HOUR_MS = 3_600_000;
const ENV = { HOME: "/nonexistent", NO_COLOR: "1" };

const scratch = mkdtempSync(join(tmpdir(), "felhom-hub-kill-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

interface Running {
  readonly url: string;
  /** Resolves with what ended it. */
  readonly over: Promise<unknown>;
  kill(): void;
}

/** Starts a hub on `dir` and waits until it listens; undefined when it died before. */
async function start(dir: string, ...wrapper: readonly string[]): Promise<Running | undefined> {
  const argv = [...wrapper, BINARY, "hub", "--data-dir", dir, "--tls", "none", "--address", "127.0.0.1", "--port", "0", "--log-format", "json"];
  // A group of its own: strace that is told to end lets go of what it traces, so both are ended together.
  const child = Bun.spawn(argv, { stdout: "ignore", stderr: "pipe", env: ENV, detached: true });
  const reader = child.stderr.getReader();
  for (let text = ""; ; ) {
    const { done, value } = await reader.read();
    if (done) return undefined;
    text += new TextDecoder().decode(value);
    const url = /"event":"hub.listening","url":"([^"]+)"/.exec(text)?.[1];
    // Whatever else it says is read and dropped, so that it never waits for a reader.
    if (url !== undefined) return { url, over: drained(() => reader.read(), child.exited), kill: () => killGroup(child.pid) };
  }
}

async function drained(read: () => Promise<{ readonly done: boolean }>, exited: Promise<number>): Promise<number> {
  while (!(await read()).done);
  return exited;
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    return; // gone already
  }
}

class Lost extends Error {}

const fleet = testFleet("one", Date.now() - HOUR_MS);
const FILES = { "fleet.yaml": "name: test\n", "files/motd": "hello\n" };

/** The operator's and the box's side of a hub on a socket, as far as `TestBox` needs it. */
function clientOf(url: string, dir: string) {
  const ask = async (method: string, path: string, { token, body, bytes, headers }: Ask = {}): Promise<Reply> => {
    const init = {
      method,
      headers: {
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...(bytes === undefined ? {} : { "content-type": "application/octet-stream" }),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(bytes === undefined ? {} : { body: new Uint8Array(bytes) }),
    };
    try {
      const response = await fetch(url + path, { ...init, signal: AbortSignal.timeout(20_000) });
      const text = await response.text();
      return { status: response.status, headers: response.headers, text, json: text.startsWith("{") ? JSON.parse(text) : undefined };
    } catch (error) {
      throw new Lost("the hub is gone", { cause: error });
    }
  };
  const logIn = async (): Promise<string> => {
    const { json: challenge } = await ask("POST", "/api/v1/login/challenges");
    const text = loginText(challenge.fleet_id, { id: challenge.challenge_id, nonce: challenge.nonce, expiresAt: 0 }, fleet.key.keyId);
    return (
      await ask("POST", "/api/v1/login/sessions", {
        body: { challenge_id: challenge.challenge_id, key_id: fleet.key.keyId, signature: base64url(sign(fleet.key, text)) },
      })
    ).json.token;
  };
  const setupToken = (): string => readFileSync(join(dir, "setup-token"), "utf8").trim();
  return { ask, logIn, setupToken, fleet, world: { clock: { wallMs: () => Date.now() } } };
}
type Client = ReturnType<typeof clientOf>;

/** What the hub answered with success, and so may never forget. */
interface Acked {
  setup?: true;
  tokenId?: string;
  requestId?: string;
  approved?: true;
  ackedSeq?: number;
  blobs?: number;
  bundle?: true;
  spec?: true;
  root?: true;
}

function must(reply: Reply, ...fine: readonly (number | string)[]): Reply {
  if (!fine.includes(reply.status) && !fine.includes(reply.json?.code)) throw new Error(`unexpected answer ${reply.status}: ${reply.text}`);
  return reply;
}

/** The story, from wherever the hub is; each step also takes "that is done already" for an answer. */
async function tell(client: Client, acked: Acked): Promise<void> {
  const { ask } = client;
  const status = must(await ask("POST", "/api/v1/login/challenges"), 201).json;
  if (status.fleet_id === null) must(await ask("POST", "/api/v1/setup", { body: { setup_token: client.setupToken(), root: fleet.rootEnvelope } }), 201);
  acked.setup = true;
  const token = await client.logIn();
  acked.tokenId ??= must(await ask("POST", "/api/v1/tokens", { token, body: { name: "ci", role: "viewer" } }), 201).json.id;
  const box = new TestBox(client as unknown as TestHub, "web");
  const enrolled = (await ask("GET", `/api/v1/hosts/${box.keys.hostId}`, { token })).status === 200;
  if (!enrolled) {
    must(await box.ask(), 202);
    acked.requestId = box.requestId;
    must(await ask("POST", `/api/v1/enrollments/${box.requestId}/approve`, { token, body: { host_cert: fleet.cert(box.keys, { name: "web" }) } }), 200);
    acked.approved = true;
    await box.collect();
    const reply = must(
      await ask("POST", "/agent/v1/sync", {
        token: box.credential,
        body: { ...box.says, wait_ms: 0, outbox: [{ seq: 1, kind: "event", body: { note: "hello" } }, reportItem(2, box.report())] },
      }),
      200,
    );
    acked.ackedSeq = reply.json.acked_seq;
  }
  for (const [at, text] of Object.values(FILES).entries()) {
    must(await ask("PUT", `/api/v1/blobs/${sha256Hex(utf8(text))}`, { token, bytes: utf8(text) }), 201, 200);
    acked.blobs = Math.max(acked.blobs ?? 0, at + 1);
  }
  const nowMs = Date.now();
  must(
    await ask("POST", "/api/v1/bundles", { token, body: { envelope: fleet.bundle(1, FILES, { created_at: nowMs - 1_000, expires_at: nowMs + 86_400_000 }) } }),
    201,
    "version_not_newer",
  );
  acked.bundle = true;
  must(await ask("PUT", `/api/v1/hosts/${box.keys.hostId}/spec`, { token, body: { mode: "monitor" }, headers: { "if-match": '"1"' } }), 200, "conflict");
  acked.spec = true;
  const next = signPayload("root", rootPayload, testRootPayload([fleet.key], { fleet_id: fleet.root.payload.fleet_id, version: 2 }), [fleet.key]);
  must(await ask("POST", "/api/v1/roots", { token, body: { envelope: next } }), 201, "version_not_newer");
  acked.root = true;
}

/** Everything that was answered is there; everything that is there has its one audit row. */
async function verify(client: Client, acked: Acked, where: string): Promise<void> {
  const { ask } = client;
  const isSetUp = (await ask("POST", "/api/v1/login/challenges")).json.fleet_id !== null;
  expect([where, "setup", isSetUp || acked.setup === undefined]).toEqual([where, "setup", true]);
  if (!isSetUp) return;
  const token = await client.logIn();
  const items = async (path: string) => must(await ask("GET", path, { token }), 200).json.items;
  const audit: readonly { action: string; outcome: string; target: string }[] = await items("/api/v1/audit?limit=500");
  const done = (action: string): number => audit.filter((row) => row.action === action && row.outcome === "done").length;
  const chain = must(await ask("GET", "/api/v1/audit/verification", { token }), 200).json.item;
  const hosts = await items("/api/v1/hosts");
  const bundles = await items("/api/v1/bundles");
  const roots = await items("/api/v1/roots");
  const tokens: readonly { id: string }[] = await items("/api/v1/tokens");
  const reports = await Promise.all(
    hosts.map(async ({ host_id }: { host_id: string }) => must(await ask("GET", `/api/v1/hosts/${host_id}`, { token }), 200).json.item.report),
  );
  const missing = must(await ask("POST", "/api/v1/blobs/missing", { token, body: { sha256: Object.values(FILES).map((text) => sha256Hex(utf8(text))) } }), 200)
    .json.missing;
  const notes = (await items("/api/v1/events?kind=agent.event")).length;
  const generation = hosts.length === 0 ? 0 : hosts[0].spec_generation;
  expect({
    where,
    whole: chain.whole,
    setup: done("fleet.setup"),
    tokens: done("token.create"),
    approved: done("host.approve"),
    bundles: done("bundle.publish"),
    roots: done("root.rotate"),
    blobs: done("blob.store"),
    spec: done("host.spec-edit"),
  }).toEqual({
    where,
    whole: true,
    setup: 1,
    tokens: tokens.length,
    approved: hosts.length,
    bundles: bundles.length,
    roots: roots.length - 1,
    blobs: Object.keys(FILES).length - missing.length,
    spec: Math.max(0, generation - 1),
  });
  const lost = [
    ...(acked.tokenId !== undefined && !tokens.some(({ id }) => id === acked.tokenId) ? ["token"] : []),
    ...(acked.requestId !== undefined && hosts.length === 0 && (await items("/api/v1/enrollments")).length === 0 ? ["enrollment request"] : []),
    ...(acked.approved === true && hosts.length === 0 ? ["approval"] : []),
    ...((acked.ackedSeq ?? 0) > 0 && notes === 0 ? ["outbox row"] : []),
    ...((acked.ackedSeq ?? 0) > 1 && !reports.some((report) => report !== null) ? ["report"] : []),
    ...(missing.length > Object.keys(FILES).length - (acked.blobs ?? 0) ? ["blob"] : []),
    ...(acked.bundle === true && bundles.length === 0 ? ["bundle"] : []),
    ...(acked.spec === true && generation < 2 ? ["spec"] : []),
    ...(acked.root === true && roots.length < 2 ? ["root"] : []),
  ];
  expect([where, lost]).toEqual([where, []]);
  for (const { version } of bundles) {
    expect([where, missing]).toEqual([where, []]);
    expect([where, must(await ask("GET", `/api/v1/bundles/${version}`, { token }), 200).json.item.files]).toEqual([where, 2]);
  }
}

async function killedAt(syscall: string, nth: number): Promise<"killed" | "unharmed"> {
  const dir = mkdtempSync(join(scratch, "h-"));
  const where = `${syscall} ${nth}`;
  const acked: Acked = {};
  const hub = await start(dir, ...killAt(syscall, nth, true));
  let outcome: "killed" | "unharmed" = "killed";
  if (hub !== undefined) {
    try {
      await tell(clientOf(hub.url, dir), acked);
      outcome = "unharmed";
    } catch (error) {
      if (!(error instanceof Lost)) throw error;
    }
    hub.kill();
    await hub.over;
  }
  const looked = Bun.spawnSync([BINARY, "hub", "status", "--data-dir", dir], { stdout: "pipe", stderr: "pipe", env: ENV });
  // Before the first migration there is no database to look at; once there is one, it is whole.
  const isYoung = looked.exitCode !== 0 && acked.setup === undefined;
  expect([where, looked.exitCode === 0 || isYoung, looked.stderr.toString()]).toEqual([
    where,
    true,
    looked.exitCode === 0 ? expect.anything() : looked.stderr.toString(),
  ]);
  const again = await start(dir);
  expect([where, again !== undefined]).toEqual([where, true]);
  if (again === undefined) return outcome;
  const client = clientOf(again.url, dir);
  await verify(client, acked, where);
  await tell(client, acked);
  await verify(client, acked, `${where}, told to its end`);
  again.kill();
  await again.over;
  rmSync(dir, { recursive: true, force: true });
  return outcome;
}

for (const [syscall, step] of Object.entries(SYSCALLS)) {
  test.skipIf(noKills !== undefined)(
    noKills === undefined ? `H01: a hub killed at any ${syscall} forgets nothing it answered` : `H01: kill points of a hub at ${syscall} [skipped: ${noKills}]`,
    async () => {
      const points = await sweep(step, (nth) => killedAt(syscall, nth));
      print(`the hub at ${syscall}`, points, step);
      // A flow that stops using a call must not pass by never being killed.
      expect(points.last).toBeGreaterThanOrEqual({ fsync: 20, rename: 3, unlink: 1, pwrite64: 20 }[syscall] ?? 1);
    },
    SWEEP_MS_MAX,
  );
}
