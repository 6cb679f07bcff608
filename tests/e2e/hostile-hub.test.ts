/**
 * A stolen hub against a real agent: the hub's double may do anything with the wire and has every document this fleet ever signed, but
 * no operator's key. One test per row of the blast-radius contract (docs/security.md). Each shows that nothing reached the box: the file
 * it keeps, its tree and what it holds are as before; that the refusal is named where people look; and that the agent then takes the
 * next honest bundle as if nothing had been.
 */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { base64, utf8 } from "../../shared/core/bytes.ts";
import { sha256Hex } from "../../shared/core/sha256.ts";
import { testFleet, testHost, testKey, testRootPayload } from "../../shared/sim/test-fleet.ts";
import { encodeJoinCode } from "../../shared/trust/join-code.ts";
import { hostCertPayload, rootPayload } from "../../shared/trust/payloads.ts";
import { signPayload } from "../../shared/trust/sign-payload.ts";
import { type Intercept, LoopbackHub } from "../loopback/loopback-hub.ts";
import { must, RealBox } from "../loopback/real-box.ts";

let dir: string;
let hub: LoopbackHub;
let box: RealBox;
let version: number;
let flags: readonly string[];

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "felhom-hostile-"));
  hub = await LoopbackHub.start();
  box = new RealBox(dir, "box-1");
  version = 0;
});
afterEach(async () => {
  await box.stop();
  await hub[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true, force: true });
});

const motd = (): string => readFileSync(join(dir, "motd"), "utf8");
const evil = join("/tmp", `felhom-evil-${process.pid}`);
const files = (content: string): Readonly<Record<string, string>> => ({
  "fleet.yaml": "name: test\n",
  "targets.yaml": '- match: "true"\n  states: [base]\n',
  "states/base.yaml": `motd:\n  file:\n    path: ${dir}/motd\n    source: files/motd\n    mode: "0644"\n`,
  "files/motd": content,
});
/** What an attacker would like to have run. */
const evilFiles = {
  "fleet.yaml": "name: test\n",
  "targets.yaml": '- match: "true"\n  states: [base]\n',
  "states/base.yaml": `evil:\n  command:\n    argv: [touch, ${evil}]\n`,
};

/** Enrolled, with version 1 in force. */
async function settled(more: readonly string[] = []): Promise<void> {
  flags = more;
  await box.join(hub);
  box.start([], flags);
  await publish("version 1\n");
}

async function publish(content: string): Promise<void> {
  version += 1;
  await hub.publish(version, files(content));
  const wanted = version;
  await box.until(`bundle ${wanted} is in force`, ({ converge, outbox }) => converge.last?.bundle === wanted && outbox.rows === 0);
  expect(motd()).toBe(content);
}

type SyncReply = Record<string, unknown>;
const onSync =
  (change: (reply: SyncReply) => SyncReply): Intercept =>
  async ({ path }, send) => {
    const response = await send();
    if (path !== "/agent/v1/sync" || response.status !== 200) return response;
    return Response.json(change((await response.json()) as SyncReply));
  };
const onBlob =
  (change: (bytes: Uint8Array, path: string) => Uint8Array | Response): Intercept =>
  async ({ path }, send) => {
    const response = await send();
    if (!path.startsWith("/agent/v1/blobs/")) return response;
    const changed = change(new Uint8Array(await response.arrayBuffer()), path);
    return changed instanceof Response ? changed : new Response(changed.slice().buffer, { status: response.status });
  };

/** Codes the box has named as events to its hub, in its own words. */
const named = (): readonly string[] =>
  hub.asked
    .filter(({ path }) => path === "/agent/v1/sync")
    .flatMap(({ json }) => json.outbox)
    .filter(({ kind, body }) => kind === "event" && body.event === "document.refused")
    .map(({ body }) => `${body.what}: ${body.code}`);

/** A box that was lied to asks more and more rarely: started again it listens to the next lie at once. */
async function listen(lie: Intercept | undefined): Promise<void> {
  await box.stop("SIGTERM");
  hub.intercept = lie;
  box.start([], flags);
}

/** The hub lies until the box has named `code`. */
async function refuses(code: string, lie: Intercept): Promise<void> {
  const before = named().filter((one) => one === code).length;
  await listen(lie);
  await box.until(`it names ${code}, after ${named().join(", ")}`, () => named().filter((one) => one === code).length > before);
  hub.intercept = undefined;
  // Said is not yet stored: the box lets go of the row when the hub has it.
  await box.until(`the hub has ${code} as an event`, ({ outbox }) => outbox.rows === 0);
  const { items } = (await hub.hub.ask("GET", "/api/v1/events?kind=agent.event&limit=500", { token: hub.admin })).json;
  expect(JSON.stringify(items)).toContain(code.split(": ")[1] ?? code);
}

/** Nothing of it reached the box, and the box goes on. */
async function unharmed(): Promise<void> {
  expect(existsSync(evil)).toBe(false);
  expect(motd()).toBe(`version ${version}\n`);
  const trees = readdirSync(join(box.dataDir, "bundle")).filter((name) => !name.startsWith("."));
  expect(trees.every((name) => name === "current" || Number(name) <= version)).toBe(true);
  expect(box.isRunning).toBe(true);
  expect((await box.ask("GET", "/readyz")).status).toBe(200);
  await listen(undefined);
  await publish(`version ${version + 1}\n`);
}

const flip = (bytes: Uint8Array): Uint8Array => bytes.map((byte, at) => (at === 0 ? byte ^ 1 : byte));
const payloadOf = (envelope: { readonly payload: string }): Record<string, unknown> => JSON.parse(Buffer.from(envelope.payload, "base64").toString());
const withPayload = <E extends { readonly payload: string }>(envelope: E, change: (payload: Record<string, unknown>) => void): E => {
  const payload = payloadOf(envelope);
  change(payload);
  return { ...envelope, payload: base64(utf8(JSON.stringify(payload))) };
};

test("row 1: what is withheld or delayed grows old in sight, and changes nothing", async () => {
  await settled();
  version += 1;
  await hub.publish(version, files(`version ${version}\n`));
  await box.until("it holds version 2", ({ converge }) => converge.last?.bundle === 2);
  const nowMs = Date.now();
  const soon = hub.hub.fleet.bundle(3, files("version 3\n"), { created_at: nowMs, expires_at: nowMs + 3_000 });
  await hub.upload(files("version 3\n"));
  version = 3;
  expect((await hub.hub.ask("POST", "/api/v1/bundles", { token: hub.admin, body: { envelope: soon } })).status).toBe(201);
  await box.until("it holds version 3", ({ converge }) => converge.last?.bundle === 3);
  // From here on the hub says that nothing is new, whatever there is.
  hub.intercept = onSync(({ bundle: _withheld, roots: _older, ...rest }) => rest);
  const status = await box.until("the bundle in force has expired", ({ desired }) => (desired.bundleExpiresMs ?? Infinity) < Date.now());
  expect(status?.desired).toMatchObject({ bundle: 3, bundleCreatedMs: nowMs });
  await box.ask("POST", "/converge");
  await box.until(
    "it says so",
    ({ converge, checks }) =>
      converge.last?.degraded?.includes("has expired and stays in force") === true && checks.some(({ name, is }) => name === "runner" && is === "degraded"),
  );
  hub.intercept = undefined;
  await unharmed();
}, 240_000);

test("row 2: an old bundle, an old root and an old certificate are refused, each by name", async () => {
  await settled();
  const old = hub.bundle(1, files("version 1\n"));
  const key2 = testKey("second operator");
  const { fleet } = hub.hub;
  const madeMs = fleet.root.payload.created_at;
  const next = (at: number) =>
    signPayload(
      "root",
      rootPayload,
      testRootPayload([fleet.key, key2], { fleet_id: fleet.root.payload.fleet_id, version: at, created_at: madeMs, expires_at: madeMs + 86_400_000 * 700 }),
      [fleet.key],
    );
  expect((await hub.hub.ask("POST", "/api/v1/roots", { token: hub.admin, body: { envelope: next(2) } })).status).toBe(201);
  await box.until("it follows root 2", ({ desired }) => desired.root === 2);
  await publish("version 2\n");
  await refuses(
    "bundle: below_floor",
    onSync((reply) => ({ ...reply, bundle: old })),
  );
  await refuses(
    "root: version_not_newer",
    onSync((reply) => ({ ...reply, roots: [fleet.rootEnvelope] })),
  );
  const { host_cert } = await hub.host(box.hostId ?? "");
  await refuses(
    "cert: version_not_newer",
    onSync((reply) => ({ ...reply, host_cert })),
  );
  expect((await box.status())?.desired).toMatchObject({ root: 2, cert: 1, bundle: 2 });
  await unharmed();
}, 240_000);

test("row 3: an altered byte, a file of another bundle, a renamed path and a cut file are refused before anything leaves staging", async () => {
  await settled();
  const next = files("version 2\n");
  const envelope = hub.bundle(2, next);
  await refuses(
    "bundle: signature_bad",
    onSync((reply) => ({
      ...reply,
      bundle: withPayload(envelope, (payload) => (((payload["files"] as { path: string }[])[0] as { path: string }).path = "states/base2.yaml")),
    })),
  );
  await refuses(
    "bundle: envelope_malformed",
    onSync((reply) => ({ ...reply, bundle: { ...envelope, payload: envelope.payload.slice(0, -3) } })),
  );
  const lies: readonly Intercept[] = [
    onBlob(flip),
    onBlob((bytes) => bytes.slice(0, -1)),
    onBlob(() => utf8("version 1\n")),
    onBlob((bytes) => new Uint8Array([...bytes, 0x0a])),
  ];
  for (const [at, lie] of lies.entries()) {
    if (at === 0) await hub.publish(2, next);
    const failed = hub.asked.length;
    await listen(lie);
    await box.until(
      `lie ${at} was tried and failed`,
      ({ checks }) =>
        hub.asked.slice(failed).some(({ path }) => path.startsWith("/agent/v1/blobs/")) && checks.some(({ name, is }) => name === "fetch" && is === "degraded"),
    );
    expect(motd()).toBe("version 1\n");
    expect(existsSync(join(box.dataDir, "bundle", "2"))).toBe(false);
  }
  await listen(undefined);
  version = 2;
  await box.until("the honest files bring version 2", ({ converge }) => converge.last?.bundle === 2);
  await unharmed();
}, 240_000);

test("row 4: what is another host's or another fleet's is refused", async () => {
  await settled();
  const { fleet, world } = hub.hub;
  const other = testHost("another");
  await refuses(
    "cert: host_mismatch",
    onSync((reply) => ({ ...reply, host_cert: fleet.cert(other, { name: "box-1", serial: 9 }) })),
  );
  const foreign = testFleet("two", world.clock.wallMs() - 3_600_000);
  await refuses(
    "bundle: key_unknown",
    onSync((reply) => ({ ...reply, bundle: foreign.bundle(2, evilFiles) })),
  );
  await refuses(
    "root: key_unknown",
    onSync((reply) => ({ ...reply, roots: [foreignRoot(foreign, 2)] })),
  );
  const spec = { v: 1, host_id: other.hostId, generation: 99, mode: "monitor" };
  await refuses(
    "spec: host_mismatch",
    onSync((reply) => ({ ...reply, spec })),
  );
  expect((await box.status())?.desired).toMatchObject({ mode: "enforce", cert: 1, root: 1 });
  await unharmed();
}, 240_000);

function foreignRoot(foreign: ReturnType<typeof testFleet>, at: number) {
  const { created_at, expires_at, fleet_id } = foreign.root.payload;
  return signPayload("root", rootPayload, testRootPayload([foreign.key], { fleet_id, version: at, created_at, expires_at }), [foreign.key]);
}

test("row 5: an invented host, a swapped box key and a new label are refused; a hub with a root of its own enrolls nobody", async () => {
  await settled();
  const { fleet, world } = hub.hub;
  const { host_cert } = await hub.host(box.hostId ?? "");
  const own = testKey("the hub's own");
  const byHub = signPayload("host-cert", hostCertPayload, { ...payloadOf(host_cert), serial: 2, labels: { role: "vault" } } as never, [own]);
  await refuses(
    "cert: key_unknown",
    onSync((reply) => ({ ...reply, host_cert: byHub })),
  );
  await refuses(
    "cert: signature_bad",
    onSync((reply) => ({ ...reply, host_cert: withPayload(host_cert, (payload) => Object.assign(payload, { serial: 2, labels: { role: "vault" } })) })),
  );
  await refuses(
    "cert: signature_bad",
    onSync((reply) => ({
      ...reply,
      host_cert: withPayload(host_cert, (payload) =>
        Object.assign(payload, { serial: 3, box_key: Buffer.from(testHost("spy").boxKey.publicKey).toString("base64url") }),
      ),
    })),
  );
  expect((await box.status())?.host?.labels).toEqual({});
  const rogue = testFleet("rogue", world.clock.wallMs() - 3_600_000);
  const joinCode = encodeJoinCode({ fleetId: rogue.root.payload.fleet_id, rootHash: sha256Hex(utf8("not this hub's root")) as never, pins: [] });
  const late = new RealBox(dir, "box-2");
  must(await late.enroll({ url: hub.url, joinCode }), 6);
  await hub.approve("box-2");
  const refused = await late.enroll({ url: hub.url, joinCode }, [], true);
  expect([refused.code, refused.stderr.includes("root_hash_mismatch") || refused.stdout.includes("root_hash_mismatch")]).toEqual([7, true]);
  expect(late.hostId).toBeUndefined();
  expect(fleet.root.payload.version).toBe(1);
  await unharmed();
}, 240_000);

test("row 6: a desired spec sets pace and mode within the box's own bounds, and nothing else", async () => {
  await settled(["--sync-wait-ms", "0"]);
  const spec = {
    v: 1,
    host_id: box.hostId,
    generation: 50,
    mode: "monitor",
    paused_until: Date.now() + 10 * 365 * 86_400_000,
    interval_s: 60,
    exec: ["touch", evil],
    bundle: evilFiles,
    root: { threshold: 0 },
    keys: ["AAAA"],
  };
  await listen(onSync((reply) => ({ ...reply, spec })));
  const status = await box.until("it has taken what it may", ({ desired }) => desired.generation === 50);
  expect((status?.desired.pausedUntilMs ?? Infinity) - Date.now()).toBeLessThanOrEqual(30 * 86_400_000);
  const bounds: readonly [string, Record<string, unknown>][] = [
    ["an interval of a millisecond", { interval_s: 0.001 }],
    ["a mode that is a command", { mode: "exec" }],
    ["10 000 windows", { fetch_windows: Array.from({ length: 10_000 }, () => ({ days: [1], from: "00:00", to: "00:01" })) }],
  ];
  for (const [what, change] of bounds) {
    const { paused_until: _over, ...rest } = spec;
    let offered = 0;
    await listen(onSync((reply) => ((offered += 1), { ...reply, spec: { ...rest, generation: 60, ...change } })));
    await box.until(`${what} was offered twice`, () => offered > 1);
    expect([what, (await box.status())?.desired.generation]).toEqual([what, 50]);
  }
  await listen(onSync((reply) => ({ ...reply, spec: { v: 1, host_id: box.hostId, generation: 70, mode: "enforce" } })));
  await box.until("it enforces again", ({ desired }) => desired.generation === 70 && desired.mode === "enforce");
  hub.intercept = undefined;
  await unharmed();
}, 240_000);

test("row 8: an endless answer, a bomb, a million items and nesting without end are cut or refused, and memory stays what it was", async () => {
  await settled();
  const before = (await box.status())?.rssBytes ?? 0;
  const envelope = { payloadType: "x", payload: "eA==", signatures: [] };
  const big = "x".repeat(64 * 1024);
  let sent = 0;
  const endless = (): Response =>
    new Response(
      new ReadableStream({
        pull: async (controller) => {
          sent += big.length;
          controller.enqueue(utf8(big));
          await Promise.resolve();
        },
      }),
      { headers: { "content-type": "application/json" } },
    );
  const bombs: readonly [string, () => Response][] = [
    ["a body without an end", endless],
    ["10 GB announced", () => new Response(utf8(big), { headers: { "content-type": "application/json", "content-length": "10000000000" } })],
    ["a MessagePack length bomb", () => new Response(new Uint8Array([0xdd, 0xff, 0xff, 0xff, 0xff]), { headers: { "content-type": "application/msgpack" } })],
    ["nesting without end", () => new Response("[".repeat(5_000_000), { headers: { "content-type": "application/json" } })],
    [
      "a million roots",
      () =>
        Response.json({ v: 1, protocol: 1, min_protocol: 1, hub_epoch: 1, acked_seq: 0, next_ms: 0, roots: Array.from({ length: 100_000 }, () => envelope) }),
    ],
  ];
  for (const [what, bomb] of bombs) {
    const from = hub.asked.length;
    hub.intercept = ({ path }, send) => (path === "/agent/v1/sync" ? Promise.resolve(bomb()) : send());
    await box.ask("POST", "/converge");
    const status = await box.until(`${what} was refused`, ({ link }) => hub.asked.length > from && link.is === "offline");
    expect([what, status?.link.because !== undefined]).toEqual([what, true]);
    hub.intercept = undefined;
    await box.until(`the link is back after ${what}`, ({ link }) => link.is === "connected");
  }
  // 12 MiB is what an answer may have; the sockets on the way hold some more.
  expect(sent).toBeLessThan(64 * 1024 * 1024);
  expect(((await box.status())?.rssBytes ?? 0) - before).toBeLessThan(160 * 1024 * 1024);
  await unharmed();
}, 180_000);

test("row 8: a stream that drips is given up, and the box enforces meanwhile", async () => {
  await settled(["--sync-wait-ms", "0"]);
  hub.intercept = ({ path }, send) =>
    path === "/agent/v1/sync"
      ? Promise.resolve(
          new Response(
            new ReadableStream({
              pull: async (controller) => {
                controller.enqueue(utf8(" "));
                await Bun.sleep(500);
              },
            }),
          ),
        )
      : send();
  await box.ask("POST", "/converge");
  rmSync(join(dir, "motd"));
  await box.ask("POST", "/converge");
  await box.until("it has mended its file while the hub drips", () => existsSync(join(dir, "motd")));
  await box.until("the stream was given up", ({ link }) => link.is === "offline" && link.because === "net_timeout");
  hub.intercept = undefined;
  await box.until("the link is back", ({ link }) => link.is === "connected");
  await unharmed();
}, 240_000);

test("row 8: an endless blob is cut at the size that was signed", async () => {
  await settled();
  let chunks = 0;
  hub.intercept = onBlob(
    () =>
      new Response(
        new ReadableStream({
          pull: (controller) => {
            chunks += 1;
            controller.enqueue(new Uint8Array(65_536));
          },
        }),
      ),
  );
  await hub.publish(2, files("version 2\n"));
  await box.until("it was cut", ({ checks }) => checks.some(({ name, is }) => name === "fetch" && is === "degraded"));
  expect(chunks).toBeLessThan(1_000);
  expect(existsSync(join(box.dataDir, "bundle", "2"))).toBe(false);
  await listen(undefined);
  version = 2;
  await box.until("the honest files bring version 2", ({ converge }) => converge.last?.bundle === 2);
  await unharmed();
}, 240_000);
