/**
 * A01, E01: the box's side is killed (kill -9) at its N-th fsync, rename, unlink or write to a database: `felhom enroll` while it makes
 * keys and asks, and again while it collects the approval; the agent itself from its first start to its first report; and each
 * worker (adopt, stage, converge), which the agent would start. After every kill the same is begun again without one and ends where an
 * undisturbed run would: one identity, nothing the hub or the box had said is taken back, and nothing half done is believed.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { Database } from "bun:sqlite";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Held, WorkerRequest } from "../../agent/core/worker/messages.ts";
import { utf8 } from "../../shared/core/bytes.ts";
import { sha256Hex } from "../../shared/core/sha256.ts";
import { testKey, valueOf } from "../../shared/sim/test-fleet.ts";
import { verifyHostCert } from "../../shared/trust/host-identity.ts";
import { spellKey } from "../../shared/trust/keys.ts";
import { rootPayload } from "../../shared/trust/payloads.ts";
import { signPayload } from "../../shared/trust/sign-payload.ts";
import { verifyHostSigned } from "../../shared/trust/report.ts";
import { LoopbackHub } from "../loopback/loopback-hub.ts";
import { EXHAUSTIVE, SWEEP_MS_MAX, killAt, noKills, sweep, tell } from "../loopback/kill-points.ts";
import { KILLED, must, RealBox } from "../loopback/real-box.ts";

/** Writes to SQLite's files come by the hundred and mean something only with the fsync after them. */
const SYSCALLS = { fsync: 1, rename: 1, unlink: 1, pwrite64: EXHAUSTIVE ? 1 : 11 } as const;
type Syscall = keyof typeof SYSCALLS;
const syscalls = Object.keys(SYSCALLS) as readonly Syscall[];
const title = (text: string): string => (noKills === undefined ? text : `${text} [skipped: ${noKills}]`);
const told = test.skipIf(noKills !== undefined);

const scratch = mkdtempSync(join(tmpdir(), "felhom-agent-kill-"));
let hub: LoopbackHub;
beforeAll(async () => {
  hub = await LoopbackHub.start();
  await hub.publish(1, fleetFiles("one"));
});
afterAll(async () => {
  await hub[Symbol.asyncDispose]();
  rmSync(scratch, { recursive: true, force: true });
});

/** Each box keeps one file, in a directory of its own; `extra` is a file that the next version no longer has. */
function fleetFiles(content: string): Readonly<Record<string, string>> {
  return {
    "fleet.yaml": "name: test\n",
    "targets.yaml": '- match: "true"\n  states: [base]\n',
    "states/base.yaml": `motd:\n  file:\n    path: ${scratch}/{{ host.name }}.kept/motd\n    source: files/motd\n    mode: "0644"\n`,
    "files/motd": `${content}\n`.repeat(500),
    [`files/only-in-${content}`]: content,
  };
}
/** A copy of a box has the box's name in its certificate, and so its file. */
const motd = (box: RealBox): string => join(scratch, `${box.name.split("~")[0]}.kept`, "motd");
function newBox(name: string): RealBox {
  const box = new RealBox(scratch, name);
  mkdirSync(dirname(motd(box)), { recursive: true });
  return box;
}
const content = (text: string): string => `${text}\n`.repeat(500);

/** What the box believes it holds, read and verified by a worker of its own. Nothing a kill can do may look like damage. */
async function holds(box: RealBox, where: string): Promise<Held> {
  const { result } = await box.worker({ op: "status", settings: box.workerSettings });
  if (result?.op !== "status") throw new Error(`${where}: the status worker answered ${JSON.stringify(result)}`);
  expect([where, result.held.notes]).toEqual([where, []]);
  return result.held;
}

/** The keys are there whole, or not at all; never two of them. */
function expectWholeKeys(box: RealBox, where: string): void {
  for (const name of ["signing.key", "box.key"]) {
    const path = join(box.dataDir, "identity", name);
    if (!existsSync(path)) continue;
    expect([where, name, /^[0-9a-f]{64}\n$/.test(readFileSync(path, "utf8")), statSync(path).mode & 0o777]).toEqual([where, name, true, 0o600]);
  }
}

async function asksKilled(box: RealBox, syscall: Syscall, nth: number): Promise<"killed" | "unharmed"> {
  const where = `${box.name}: asking, ${syscall} ${nth}`;
  const first = await box.enroll(hub, killAt(syscall, nth));
  must(first, 6, KILLED);
  expectWholeKeys(box, where);
  const seen = (await hub.pending(box.name)).map(({ host_id }) => host_id);
  must(await box.enroll(hub), 6);
  const asks = (await hub.pending(box.name)).map(({ host_id }) => host_id);
  // The hub has heard of one box, and of the same one as before the kill.
  expect([where, asks.length, seen.every((id) => id === asks[0])]).toEqual([where, 1, true]);
  return first.code === KILLED ? "killed" : "unharmed";
}

async function collectsKilled(box: RealBox, syscall: Syscall, nth: number): Promise<"killed" | "unharmed"> {
  const where = `${box.name}: collecting, ${syscall} ${nth}`;
  const hostId = await hub.approve(box.name);
  const first = await box.enroll(hub, killAt(syscall, nth), true);
  must(first, 0, KILLED);
  // Membership is written last: where it is, everything that was approved is there and verifies.
  if (box.hostId !== undefined) expect(await holds(box, where)).toMatchObject({ hostId, root: 1, cert: 1 });
  else expect([where, first.code]).toEqual([where, KILLED]);
  must(await box.enroll(hub, [], true), 0);
  expect([where, box.hostId]).toEqual([where, hostId]);
  expect(await holds(box, where)).toMatchObject({ hostId, root: 1, cert: 1, name: box.name });
  const hosts = (await hub.items("/api/v1/hosts?limit=500")).filter(({ name }) => name === box.name);
  expect([where, hosts.map(({ host_id }) => host_id)]).toEqual([where, [hostId]]);
  return first.code === KILLED ? "killed" : "unharmed";
}

async function runsKilled(box: RealBox, syscall: Syscall, nth: number): Promise<"killed" | "unharmed"> {
  const where = `${box.name}: running, ${syscall} ${nth}`;
  const isDone = ({
    converge,
    outbox,
  }: {
    readonly converge: { readonly last?: { readonly bundle: number } | undefined };
    readonly outbox: { readonly rows: number };
  }) => converge.last?.bundle === 1 && outbox.rows === 0;
  box.start(killAt(syscall, nth));
  const first = await box.until("it has reported", isDone);
  await box.stop();
  if (first === undefined) {
    box.start();
    await box.until("it has reported after all", isDone);
    await box.stop("SIGTERM");
    expectSwept(box, where);
  }
  const { report, host_cert } = await hub.host(box.hostId ?? "");
  const said = valueOf(verifyHostSigned("report", report, valueOf(verifyHostCert(host_cert, hub.hub.fleet.root))));
  expect([where, said.bundle, readFileSync(motd(box), "utf8") === content("one")]).toEqual([where, 1, true]);
  // A row that the hub has counted is never a number for another row.
  const asked = hub.asked.filter(({ path, json }) => path === "/agent/v1/sync" && json?.host_id === box.hostId);
  const bodies = new Map<number, string>();
  for (const { json } of asked) {
    for (const { seq, body } of json.outbox) {
      expect([where, seq, bodies.get(seq) ?? JSON.stringify(body)]).toEqual([where, seq, JSON.stringify(body)]);
      bodies.set(seq, JSON.stringify(body));
    }
  }
  const strange = (await hub.items("/api/v1/events?limit=500")).filter(
    ({ host_id, kind }) => host_id === box.hostId && /rolled-back|clone|conflict/.test(kind),
  );
  expect([where, strange]).toEqual([where, []]);
  expectSound(box, where);
  return first === undefined ? "killed" : "unharmed";
}

function expectSound(box: RealBox, where: string): void {
  using database = new Database(join(box.dataDir, "agent.db"), { readonly: true });
  // A worker may outlive the agent that was killed, and still be writing.
  database.run("PRAGMA busy_timeout = 20000");
  expect([where, database.query("PRAGMA integrity_check").values()]).toEqual([where, [["ok"]]]);
  expect([where, readdirSync(box.dataDir).filter((name) => name.includes(".damaged-"))]).toEqual([where, []]);
}

/** What the kill left half written is gone after the next start. */
function expectSwept(box: RealBox, where: string): void {
  const left = [...readdirSync(box.dataDir), ...readdirSync(join(box.dataDir, "identity"))].filter((name) => name.endsWith(".tmp"));
  expect([where, left]).toEqual([where, []]);
}

for (const syscall of syscalls) {
  told(
    title(`A01, E01: a box killed at any ${syscall} of enrolling, running and reporting is one box, and reports`),
    async () => {
      const step = SYSCALLS[syscall];
      const points = { asking: 0, collecting: 0, running: 0 };
      const all = await sweep(step, async (nth) => {
        const box = newBox(`${syscall}-${nth}`);
        const phases = {
          asking: await asksKilled(box, syscall, nth),
          collecting: await collectsKilled(box, syscall, nth),
          running: await runsKilled(box, syscall, nth),
        };
        rmSync(box.dataDir, { recursive: true, force: true });
        for (const phase of ["asking", "collecting", "running"] as const) if (phases[phase] === "killed") points[phase] += 1;
        return Object.values(phases).includes("killed") ? "killed" : "unharmed";
      });
      tell(
        `a box at ${syscall} (asking ${points.asking}, collecting ${points.collecting}, running ${points.running})`,
        { ...all, killed: points.asking + points.collecting + points.running },
        step,
      );
      // A story that stops using a call must not pass by never being killed.
      expect(points.asking + points.collecting + points.running).toBeGreaterThanOrEqual({ fsync: 30, rename: 10, unlink: 3, pwrite64: 8 }[syscall]);
    },
    SWEEP_MS_MAX,
  );
}

/** A box that holds version 1 and, as far as `hasCandidate`, version 2's manifest and files: each kill is aimed at a copy of it. */
async function template(name: string, hasCandidate: boolean): Promise<RealBox> {
  const box = newBox(name);
  await box.join(hub);
  for (const version of hasCandidate ? [1, 2] : [1]) {
    const files = fleetFiles(version === 1 ? "one" : "two");
    const { result } = await box.worker({ op: "adopt", settings: box.workerSettings, roots: [], bundle: hub.bundle(version, files) as never });
    expect(result).toMatchObject({ op: "adopt", refused: [] });
    for (const text of Object.values(files)) {
      const hash = sha256Hex(utf8(text));
      await Bun.write(join(box.dataDir, "blobs", hash.slice(0, 2), hash), text);
    }
    if (version === 1) expect((await box.worker({ op: "stage", settings: box.workerSettings })).result).toMatchObject({ op: "stage", staged: true });
  }
  return box;
}

/** Version 2: a colleague may operate, and the one key that there was may no longer. */
function nextRoot() {
  const { key, root } = hub.hub.fleet;
  const colleague = testKey("colleague");
  const { payload } = root;
  const keys = { ...payload.keys, [colleague.keyId]: { public: spellKey(colleague.publicKey), label: "colleague" } };
  const roles = { ...payload.roles, operate: { keys: [colleague.keyId], threshold: 1 } };
  return signPayload("root", rootPayload, { ...payload, version: 2, keys, roles }, [key]);
}

interface WorkerCase {
  /** What it is asked, where the name of the case is not that. */
  readonly op?: WorkerRequest["op"];
  readonly hasCandidate: boolean;
  readonly request: (box: RealBox) => WorkerRequest;
  /** After the kill, before anything is done about it. */
  readonly half: (box: RealBox, held: Held, where: string) => void;
  /** After it was done again. */
  readonly whole: (box: RealBox, held: Held, where: string) => void;
}

function expectTree(box: RealBox, version: number, where: string): void {
  const tree = join(box.dataDir, "bundle", String(version));
  const files = fleetFiles(version === 1 ? "one" : "two");
  const found = (readdirSync(tree, { recursive: true }) as string[]).filter((path) => statSync(join(tree, path)).isFile()).sort();
  expect([where, found]).toEqual([where, Object.keys(files).sort()]);
  for (const [path, text] of Object.entries(files)) expect([where, path, readFileSync(join(tree, path), "utf8") === text]).toEqual([where, path, true]);
}

const WORKERS: Readonly<Record<string, WorkerCase>> = {
  adopt: {
    hasCandidate: false,
    request: (box) => ({ op: "adopt", settings: box.workerSettings, roots: [], bundle: hub.bundle(2, fleetFiles("two")) as never }),
    half: (box, held, where) => {
      expect([where, held.bundle, [0, 2].includes(held.candidate)]).toEqual([where, 1, true]);
      expectTree(box, 1, where);
    },
    whole: (_box, held, where) => expect([where, held.bundle, held.candidate]).toEqual([where, 1, 2]),
  },
  "adopt of a root (O06)": {
    op: "adopt",
    hasCandidate: false,
    request: (box) => ({ op: "adopt", settings: box.workerSettings, roots: [nextRoot()] }),
    // A root is read again through its whole chain: it is the old one or the new one, never none and never a mixture.
    half: (_box, held, where) => expect([where, [1, 2].includes(held.root), held.cert]).toEqual([where, true, 1]),
    whole: (_box, held, where) => expect([where, held.root, held.cert]).toEqual([where, 2, 1]),
  },
  stage: {
    hasCandidate: true,
    request: (box) => ({ op: "stage", settings: box.workerSettings }),
    half: (box, held, where) => {
      expect([where, [1, 2].includes(held.bundle)]).toEqual([where, true]);
      expectTree(box, held.bundle, where);
    },
    whole: (box, held, where) => {
      expect([where, held.bundle, readlinkSync(join(box.dataDir, "bundle/current"))]).toEqual([where, 2, "2"]);
      expectTree(box, 2, where);
      expect([where, readdirSync(join(box.dataDir, "bundle")).filter((name) => name.startsWith("."))]).toEqual([where, []]);
    },
  },
  converge: {
    hasCandidate: false,
    request: (box) => ({
      op: "converge",
      settings: box.workerSettings,
      trigger: "demand",
      reported: { digest: "", atMs: 0 },
      facts: { digest: "", atMs: 0 },
      databaseLost: false,
    }),
    half: (box, held, where) => {
      expect([where, held.bundle]).toEqual([where, 1]);
      expect([where, ["by hand\n", content("one")].includes(readFileSync(motd(box), "utf8"))]).toEqual([where, true]);
    },
    whole: (box, _held, where) => expect([where, readFileSync(motd(box), "utf8") === content("one")]).toEqual([where, true]),
  },
};

for (const [name, { op = name, hasCandidate, request, half, whole }] of Object.entries(WORKERS)) {
  told(
    title(`A01: a worker killed at any write of ${name} leaves the old or the new, and the next one ends the work`),
    async () => {
      const origin = await template(`worker-${name.split(" ")[0]}-${Object.keys(WORKERS).indexOf(name)}`, hasCandidate);
      for (const syscall of syscalls) {
        const step = SYSCALLS[syscall];
        // One at a time: copies of one box share the file that they keep.
        const all = await sweep(
          step,
          async (nth) => {
            const where = `${name}, ${syscall} ${nth}`;
            const box = newBox(`${origin.name}~${nth}`);
            cpSync(origin.dataDir, box.dataDir, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
            writeFileSync(motd(box), "by hand\n");
            const first = await box.worker(request(box), killAt(syscall, nth));
            if (first.code !== KILLED) expect([where, first.code, first.result?.op, first.stderr]).toEqual([where, 0, op, first.stderr]);
            half(box, await holds(box, where), where);
            const again = await box.worker(request(box));
            expect([where, again.result?.op]).toEqual([where, op]);
            whole(box, await holds(box, where), where);
            rmSync(box.dataDir, { recursive: true, force: true });
            return first.code === KILLED ? "killed" : "unharmed";
          },
          op === "converge" ? 1 : undefined,
        );
        tell(`the ${name} worker at ${syscall}`, all, step);
        if (syscall === "fsync") expect(all.killed).toBeGreaterThanOrEqual(5);
      }
      rmSync(origin.dataDir, { recursive: true, force: true });
    },
    SWEEP_MS_MAX,
  );
}
