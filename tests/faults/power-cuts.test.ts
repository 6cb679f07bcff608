/**
 * H02: the power of a hub's and of a box's disk is cut under load, again and again. What was acknowledged until then is on the disk that
 * comes back, both databases are sound, and the program starts on it. The same checks with every fsync swallowed must find losses:
 * a check that cannot fail shows nothing.
 */
import { afterAll, expect, test } from "bun:test";
import { Database } from "bun:sqlite";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { base64url, utf8 } from "../../shared/core/bytes.ts";
import { sha256Hex } from "../../shared/core/sha256.ts";
import { TestBox } from "../../shared/sim/test-box.ts";
import { testFleet } from "../../shared/sim/test-fleet.ts";
import type { TestHub } from "../../shared/sim/test-hub.ts";
import { sign } from "../../shared/trust/keys.ts";
import { loginText } from "../../hub/core/login/challenge.ts";
import { CutDisk, noCuts, WITHOUT_SYNC } from "../loopback/cut-disk.ts";
import { EXHAUSTIVE, SWEEP_MS_MAX } from "../loopback/kill-points.ts";
import { LoopbackHub } from "../loopback/loopback-hub.ts";
import { must, RealBox, startHub } from "../loopback/real-box.ts";

const HUB_CUTS = EXHAUSTIVE ? 140 : 20;
const BOX_CUTS = EXHAUSTIVE ? 60 : 10;
const ENROLLMENTS = EXHAUSTIVE ? 10 : 3;
const PLANTED_CUTS = 4;
const BETWEEN_MS = 250;

const scratch = mkdtempSync(join(tmpdir(), "felhom-cuts-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const title = (text: string): string => (noCuts === undefined ? text : `${text} [skipped: ${noCuts}]`);
const cutting = test.skipIf(noCuts !== undefined);

const halt = (pid: number, signal: "SIGSTOP" | "SIGCONT"): void => void process.kill(-pid, signal);

// ---- the hub

const fleet = testFleet("one", Date.now() - 3_600_000);
type Ask = TestHub["ask"];

function clientOf(url: string): { readonly ask: Ask; readonly fleet: typeof fleet; readonly world: { readonly clock: { wallMs(): number } } } {
  const ask: Ask = async (method, path, { token, body, bytes, headers } = {}) => {
    const response = await fetch(url + path, {
      method,
      headers: {
        "content-type": bytes === undefined ? "application/json" : "application/octet-stream",
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...headers,
      },
      ...(bytes === undefined ? (body === undefined ? {} : { body: JSON.stringify(body) }) : { body: new Uint8Array(bytes) }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, json: text.startsWith("{") ? JSON.parse(text) : undefined };
  };
  return { ask, fleet, world: { clock: { wallMs: () => Date.now() } } };
}

async function logIn(ask: Ask): Promise<string> {
  const { json: challenge } = await ask("POST", "/api/v1/login/challenges");
  const text = loginText(challenge.fleet_id, { id: challenge.challenge_id, nonce: challenge.nonce, expiresAt: 0 }, fleet.key.keyId);
  const body = { challenge_id: challenge.challenge_id, key_id: fleet.key.keyId, signature: base64url(sign(fleet.key, text)) };
  return (await ask("POST", "/api/v1/login/sessions", { body })).json.token;
}

interface Acked {
  blobs: string[];
  tokens: string[];
  seq: number;
  generation: number;
}

/** Writes of every kind, one after the other, until told to end. Only what was answered with success is noted. */
async function load(ask: Ask, box: TestBox, admin: string, acked: Acked, isOver: () => boolean): Promise<void> {
  for (let round = 1; !isOver(); round += 1) {
    const text = `blob ${round} `.repeat(200);
    const blob = sha256Hex(utf8(text));
    if ((await ask("PUT", `/api/v1/blobs/${blob}`, { token: admin, bytes: utf8(text) })).status === 201) acked.blobs.push(blob);
    const token = await ask("POST", "/api/v1/tokens", { token: admin, body: { name: `t-${round}`, role: "viewer" } });
    if (token.status === 201) acked.tokens.push(token.json.id);
    const outbox = [{ seq: acked.seq + 1, kind: "event" as const, body: { note: `n ${round}` } }];
    const synced = await box.sync({ outbox });
    if (synced.status === 200) acked.seq = Math.max(acked.seq, synced.json.acked_seq);
    const spec = await ask("PUT", `/api/v1/hosts/${box.keys.hostId}/spec`, {
      token: admin,
      body: { mode: round % 2 === 0 ? "enforce" : "monitor" },
      headers: { "if-match": `"${acked.generation}"` },
    });
    if (spec.status === 200) acked.generation += 1;
  }
}

/** What is missing on the disk after a cut. */
async function lostByHub(dir: string, acked: Acked, box: TestBox): Promise<readonly string[]> {
  const hub = await startHub(dir);
  if (hub === undefined) return ["the hub does not start"];
  try {
    const { ask } = clientOf(hub.url);
    const admin = await logIn(ask);
    if (admin === undefined) return ["the fleet"];
    const get = async (path: string) => (await ask("GET", path, { token: admin })).json;
    const blobs: string[] = (await ask("POST", "/api/v1/blobs/missing", { token: admin, body: { sha256: acked.blobs.slice(-200) } })).json.missing;
    const tokens = new Set<string>();
    for (let cursor = ""; ; ) {
      const page = await get(`/api/v1/tokens?limit=500${cursor}`);
      for (const { id } of page.items) tokens.add(id);
      if (page.next === undefined || page.next === null || page.items.length === 0) break;
      cursor = `&cursor=${encodeURIComponent(page.next)}`;
    }
    const host = (await get(`/api/v1/hosts/${box.keys.hostId}`)).item;
    const synced = await ask("POST", "/agent/v1/sync", { token: box.credential, body: { ...box.says, wait_ms: 0, outbox: [] } });
    const chain = (await get("/api/v1/audit/verification")).item;
    return [
      ...blobs.map((blob) => `blob ${blob}`),
      ...acked.tokens.filter((id) => !tokens.has(id)).map((id) => `token ${id}`),
      ...(host.spec_generation < acked.generation ? [`spec ${host.spec_generation} instead of ${acked.generation}`] : []),
      ...((synced.json?.acked_seq ?? 0) < acked.seq ? [`outbox rows ${synced.json?.acked_seq} instead of ${acked.seq}`] : []),
      ...(chain.whole === true ? [] : ["the audit chain"]),
    ];
  } catch (error) {
    return [`the hub does not answer: ${String(error)}`];
  } finally {
    await hub.kill();
  }
}

async function cutHub(
  cuts: number,
  wrapper: readonly string[] = [],
): Promise<{ readonly cuts: number; readonly acked: number; readonly lost: readonly string[] }> {
  using disk = new CutDisk();
  const dir = join(disk.path, "hub");
  const hub = await startHub(dir, wrapper);
  if (hub === undefined) throw new Error("the hub did not start");
  const client = clientOf(hub.url);
  while (!existsSync(join(dir, "setup-token"))) await Bun.sleep(10);
  const setup_token = readFileSync(join(dir, "setup-token"), "utf8").trim();
  await client.ask("POST", "/api/v1/setup", { body: { setup_token, root: fleet.rootEnvelope } });
  const admin = await logIn(client.ask);
  const box = new TestBox(client as unknown as TestHub, "web");
  await box.ask();
  await client.ask("POST", `/api/v1/enrollments/${box.requestId}/approve`, { token: admin, body: { host_cert: fleet.cert(box.keys, { name: "web" }) } });
  await box.collect();
  const acked: Acked = { blobs: [], tokens: [], seq: 0, generation: 1 };
  const lost: string[] = [];
  let isOver = false;
  const loading = load(client.ask, box, admin, acked, () => isOver);
  loading.catch(() => undefined); // the end of the hub ends it; a failure before shows as losses or nothing acknowledged
  for (let cut = 0; cut < cuts; cut += 1) {
    await Bun.sleep(BETWEEN_MS);
    halt(hub.pid, "SIGSTOP");
    const then: Acked = structuredClone(acked);
    const copy = disk.copy();
    halt(hub.pid, "SIGCONT");
    lost.push(...(await disk.mounted(copy, (path) => lostByHub(join(path, "hub"), then, box))));
  }
  isOver = true;
  await Promise.race([loading, Bun.sleep(5_000)]);
  await hub.kill();
  return { cuts, acked: acked.blobs.length + acked.tokens.length + acked.seq + acked.generation, lost };
}

cutting(
  title("H02: a hub loses nothing it answered when the power is cut"),
  async () => {
    const { cuts, acked, lost } = await cutHub(HUB_CUTS);
    process.stdout.write(`power cuts, the hub: ${cuts}, ${acked} acknowledged writes, ${lost.length} lost\n`);
    expect(lost).toEqual([]);
    expect(acked).toBeGreaterThan(cuts * 10);
  },
  SWEEP_MS_MAX,
);

cutting(
  title("H02: a hub whose syncs are swallowed is caught losing what it answered"),
  async () => {
    const { cuts, lost } = await cutHub(PLANTED_CUTS, WITHOUT_SYNC);
    process.stdout.write(`power cuts, the hub without fsync (planted): ${cuts}, ${lost.length} losses found\n`);
    expect(lost.length).toBeGreaterThan(0);
  },
  SWEEP_MS_MAX,
);

// ---- the box

const files = (version: number): Readonly<Record<string, string>> => ({
  "fleet.yaml": "name: test\n",
  "targets.yaml": '- match: "true"\n  states: [base]\n',
  "states/base.yaml": `motd:\n  file:\n    path: ${scratch}/motd\n    source: files/motd\n    mode: "0644"\n`,
  "files/motd": `version ${version}\n`.repeat(2_000),
});

interface Said {
  readonly bundle: number;
  readonly candidate: number;
  readonly spec: number;
  readonly seq: number;
}

/** What this box has told the hub that it holds, and how far it has counted its rows. */
function saidBy(hub: LoopbackHub, box: RealBox): Said {
  const syncs = hub.asked
    .filter(({ path }) => path === "/agent/v1/sync")
    .map(({ json }) => json)
    .filter((json) => json.host_id === box.hostId);
  const most = (pick: (json: (typeof syncs)[number]) => number): number => Math.max(0, ...syncs.map(pick));
  return {
    bundle: 0,
    candidate: most((json) => json.have.bundle),
    spec: most((json) => json.have.spec),
    seq: most((json) => Math.max(0, ...json.outbox.map(({ seq }: { readonly seq: number }) => seq))),
  };
}

async function lostByBox(disk: string, said: Said, hostId: string | undefined): Promise<readonly string[]> {
  const box = new RealBox(disk, "box");
  const { result, stderr } = await box.worker({ op: "status", settings: box.workerSettings });
  if (result?.op !== "status") return [`the box does not know what it holds: ${JSON.stringify(result)} ${stderr}`];
  const { held } = result;
  const lost = [
    ...held.notes.map((note) => `damaged: ${note}`),
    ...(held.hostId === hostId && held.root >= 1 && held.cert >= 1 ? [] : ["its identity"]),
    ...(held.bundle < said.bundle ? [`bundle ${held.bundle} instead of ${said.bundle}`] : []),
    ...(Math.max(held.bundle, held.candidate) < said.candidate ? [`candidate ${held.candidate} instead of ${said.candidate}`] : []),
    ...((held.spec?.generation ?? 0) < said.spec ? ["its spec"] : []),
  ];
  box.start();
  const status = await box.until("it enforces what it holds", ({ converge }) => converge.last !== undefined).catch(() => undefined);
  await box.stop();
  if (status === undefined) return [...lost, "the agent does not run"];
  // A candidate whose files had all come before the cut may be in force by now: newer is no loss.
  const inForce = status.converge.last?.bundle ?? 0;
  if (held.bundle > 0 && ((inForce !== held.bundle && inForce !== held.candidate) || status.converge.last?.degraded !== undefined))
    lost.push(`what it enforces: ${JSON.stringify(status.converge.last)}`);
  if (!existsSync(join(box.dataDir, "agent.db"))) return [...lost, "agent.db"];
  using database = new Database(join(box.dataDir, "agent.db"), { readonly: true });
  if (JSON.stringify(database.query("PRAGMA integrity_check").values()) !== '[["ok"]]') lost.push("agent.db is damaged");
  const next = database.query<{ value: number }, []>("SELECT value FROM counter WHERE name = 'next_seq'").get()?.value ?? 1;
  if (next <= said.seq) lost.push(`row numbers: ${next} after ${said.seq}`);
  return lost;
}

async function cutBox(
  cuts: number,
  wrapper: readonly string[] = [],
): Promise<{ readonly cuts: number; readonly versions: number; readonly lost: readonly string[] }> {
  using disk = new CutDisk();
  await using hub = await LoopbackHub.start();
  const box = new RealBox(disk.path, "box");
  const lost: string[] = [];
  await box.join(hub, wrapper);
  box.start(wrapper);
  let version = 0;
  for (let cut = 0; cut < cuts; cut += 1) {
    // A cut at another moment of the exchange each time.
    for (let more = 0; more < 2; more += 1) {
      version += 1;
      await hub.publish(version, files(version));
      await Bun.sleep(BETWEEN_MS + ((cut * 83) % 300));
    }
    const status = await box.status();
    halt(box.pid, "SIGSTOP");
    const said = { ...saidBy(hub, box), bundle: status?.desired.bundle ?? 0 };
    const { hostId } = box;
    const copy = disk.copy();
    hub.online = false;
    lost.push(...(await disk.mounted(copy, (path) => lostByBox(path, said, hostId))));
    hub.online = true;
    halt(box.pid, "SIGCONT");
  }
  await box.stop();
  return { cuts, versions: version, lost };
}

cutting(
  title("H02: a box loses nothing it has told the hub that it holds, nor its place in the count, when the power is cut"),
  async () => {
    const { cuts, versions, lost } = await cutBox(BOX_CUTS);
    process.stdout.write(`power cuts, a box: ${cuts}, ${versions} bundles published, ${lost.length} lost\n`);
    expect(lost).toEqual([]);
  },
  SWEEP_MS_MAX,
);

cutting(
  title("H02: a box whose syncs are swallowed is caught losing what it holds"),
  async () => {
    const { cuts, lost } = await cutBox(PLANTED_CUTS, WITHOUT_SYNC);
    process.stdout.write(`power cuts, a box without fsync (planted): ${cuts}, ${lost.length} losses found\n`);
    expect(lost.length).toBeGreaterThan(0);
  },
  SWEEP_MS_MAX,
);

cutting(
  title("H02, E01: keys that a hub has heard of and an enrollment that was announced outlive a power cut"),
  async () => {
    await using hub = await LoopbackHub.start();
    let cuts = 0;
    for (let at = 0; at < ENROLLMENTS; at += 1) {
      using disk = new CutDisk();
      const box = new RealBox(disk.path, `box-${at}`);
      must(await box.enroll(hub), 6);
      const keys = (path: string): readonly string[] =>
        ["signing.key", "box.key"].map((name) => readFileSync(join(path, `box-${at}`, "identity", name), "utf8"));
      const made = keys(disk.path);
      await disk.mounted(disk.copy(), async (path) => expect(keys(path)).toEqual(made));
      const hostId = await hub.approve(box.name);
      must(await box.enroll(hub, [], true), 0);
      await disk.mounted(disk.copy(), async (path) => {
        const after = new RealBox(path, `box-${at}`);
        const { result } = await after.worker({ op: "status", settings: after.workerSettings });
        expect(result).toMatchObject({ op: "status", held: { hostId, root: 1, cert: 1, notes: [] } });
      });
      cuts += 2;
    }
    process.stdout.write(`power cuts, enrolling: ${cuts}, nothing lost\n`);
  },
  SWEEP_MS_MAX,
);
