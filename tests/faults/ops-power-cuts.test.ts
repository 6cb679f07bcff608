/**
 * J02: the power of a box's disk is cut while it takes ops and runs them, again and again on the same disk, at moments that come as they
 * come. The executor is a counter outside that disk: what it did stays done when the ledger's disk goes back to what was synced. After each
 * cut the agent starts on what is left and is offered everything again, as a courier that knows nothing would. No op ran twice; whatever
 * the box had answered to the one who offered is there; and `interrupted` is said where nobody can know, and nowhere else.
 *
 * The same with every sync swallowed has to find losses: a check that cannot fail shows nothing.
 */
import { Database } from "bun:sqlite";
import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { verifyOpLog } from "../../shared/ops/op-log.ts";
import { valueOf } from "../../shared/sim/test-fleet.ts";
import { makeOpsBox, type OpsBox } from "../../shared/sim/test-ops-box.ts";
import { type TestWorld, testWorld } from "../../shared/sim/test-world.ts";
import { verifyReturn } from "../../shared/trust/op.ts";
import type { ReturnPayload } from "../../shared/trust/payloads.ts";
import { CutDisk, noCuts, WITHOUT_SYNC } from "../loopback/cut-disk.ts";
import { EXHAUSTIVE, SWEEP_MS_MAX } from "../loopback/kill-points.ts";
import { processTree } from "../loopback/process-tree.ts";
import { RealBox } from "../loopback/real-box.ts";

const CUTS = Number(process.env["FELHOM_OPS_CUTS"] ?? (EXHAUSTIVE ? "200" : "24"));
const PLANTED_CUTS = 6;
const OPS_PER_CUT = 12;
/** Below what a box queues: none is to be told that it is busy. */
const OPEN_MAX = 30;
const CUT_WITHIN_MS = 400;
const WAIT_MS = 120_000;
const FINAL = ["done", "failed", "interrupted", "cancelled", "expired", "refused", "busy"];

const scratch = mkdtempSync(join(tmpdir(), "felhom-op-cuts-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const title = (text: string): string => (noCuts === undefined ? text : `${text} [skipped: ${noCuts}]`);
const cutting = test.skipIf(noCuts !== undefined);

interface Offered {
  readonly id: string;
  readonly bytes: Uint8Array;
  readonly counter: string;
  /** The last that the box has said of it to the one who offers: `nothing`, `taken`, or how it ended. */
  heard: string;
}

interface Found {
  readonly ops: number;
  readonly cuts: number;
  readonly heard: number;
  readonly done: number;
  readonly interrupted: number;
  readonly wrong: readonly string[];
}

/** One box on one disk, and the one who offers it ops. */
class Scene implements AsyncDisposable {
  readonly disk = new CutDisk();
  readonly world: TestWorld = testWorld({ seed: "ops-power-cuts" });
  readonly ops: Offered[] = [];
  readonly wrong: string[] = [];
  readonly #box: OpsBox;
  readonly #agent: RealBox;
  readonly #wrapper: readonly string[];
  readonly #counters = mkdtempSync(join(scratch, "counters-"));

  constructor(wrapper: readonly string[]) {
    this.#box = makeOpsBox(this.world, join(this.disk.path, "box"), () => Date.now());
    // Its enrollment is a fixture's, which syncs nothing.
    this.disk.sync();
    this.#agent = new RealBox(this.disk.path, "box");
    this.#wrapper = wrapper;
  }

  async start(): Promise<void> {
    this.#agent.start(this.#wrapper);
    const status = await this.#agent.until("it answers", () => true);
    if (status === undefined) throw new Error("the agent did not come up");
  }

  async end(): Promise<void> {
    await this.#agent.stop();
  }

  async #say(method: string, path: string, body?: Uint8Array): Promise<Readonly<Record<string, unknown>> | undefined> {
    try {
      const said: unknown = await (await this.#agent.ask(method, path, body)).json();
      return typeof said === "object" && said !== null ? { ...said } : undefined;
    } catch {
      return undefined; // the power went
    }
  }

  async #stateOf(op: Offered): Promise<string | undefined> {
    const state = (await this.#say("GET", `/ops?id=${op.id}`))?.["state"];
    return typeof state === "string" ? state : undefined;
  }

  /** Offers, and notes what was answered. */
  async offer(op: Offered): Promise<void> {
    const said = await this.#say("POST", "/ops", op.bytes);
    if (said?.["is"] === "admitted" && op.heard === "nothing") op.heard = "taken";
  }

  /** Looks until it is over or the agent is gone. The bound only decides how long a failure takes. */
  async follow(op: Offered, endMs = performance.now() + WAIT_MS): Promise<void> {
    for (; this.#agent.isRunning && performance.now() < endMs; await Bun.sleep(3)) {
      const state = await this.#stateOf(op);
      if (state === undefined || !FINAL.includes(state)) continue;
      op.heard = state;
      return;
    }
  }

  fresh(): Offered {
    const counter = join(this.#counters, `n${this.ops.length}`);
    const { id, bytes } = this.#box.op("cmd.run", { argv: ["/bin/sh", "-c", `echo x >> ${counter}; sync ${counter}; sleep 0.0${this.ops.length % 4}`] });
    const op: Offered = { id, bytes, counter, heard: "nothing" };
    this.ops.push(op);
    return op;
  }

  async cut(): Promise<void> {
    process.kill(-this.#agent.pid, "SIGSTOP");
    // What it started leads groups of its own; the power takes that too.
    const all = processTree(this.#agent.pid);
    await this.disk.cut(async () => {
      for (const pid of all) {
        try {
          process.kill(pid, "SIGKILL");
        } catch {
          // It had ended.
        }
      }
      await this.#agent.stop();
    });
  }

  /** Before anything is offered again: what the box had said is on the disk that came back. */
  async hold(where: string): Promise<void> {
    for (const op of this.ops) {
      const state = await this.#stateOf(op);
      if (op.heard === "nothing") continue;
      if (state === undefined) this.wrong.push(`${where}: ${op.id} was ${op.heard} and is forgotten`);
      else if (FINAL.includes(op.heard) && state !== op.heard) this.wrong.push(`${where}: ${op.id} was ${op.heard} and is ${state}`);
    }
    this.#countAll(where);
  }

  #countAll(where: string): void {
    for (const op of this.ops) if (times(op) > 1) this.wrong.push(`${where}: ${op.id} ran ${times(op)} times`);
  }

  /** While no agent runs: exactly one final answer for each, which says what the counter says. */
  judge(): Pick<Found, "done" | "interrupted"> {
    this.#countAll("at the end");
    const seen = { done: 0, interrupted: 0 };
    const { finals, log } = durable(this.#box);
    if (!verifyOpLog(log).ok) this.wrong.push("the box's log does not chain");
    for (const op of this.ops) {
      const [answer, ...more] = finals.get(op.id) ?? [];
      if (answer === undefined || more.length > 0) this.wrong.push(`${op.id} has ${more.length + (answer === undefined ? 0 : 1)} final answers`);
      else if (answer.state === "done" && times(op) === 1) seen.done += 1;
      else if (answer.state === "interrupted") seen.interrupted += 1;
      else this.wrong.push(`${op.id} is ${answer.state} ${answer.code ?? ""} and ran ${times(op)} times`);
    }
    return seen;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
    this.disk[Symbol.dispose]();
    this.world.remove();
  }
}

const times = ({ counter }: Offered): number => (existsSync(counter) ? readFileSync(counter, "utf8").length / 2 : 0);

function durable(box: OpsBox): { readonly finals: ReadonlyMap<string, readonly ReturnPayload[]>; readonly log: readonly string[] } {
  using database = new Database(join(box.dataDir, "agent.db"));
  database.run("PRAGMA busy_timeout = 10000");
  const identity = box.fleet.identity(box.host);
  const answers = database
    .query<{ body: string }, []>("SELECT body FROM outbox WHERE kind = 'return'")
    .all()
    .map(({ body }) => valueOf(verifyReturn(JSON.parse(body), identity)))
    .filter(({ state }) => state !== "running");
  const log = database.query<{ entry: string }, []>("SELECT entry FROM op_log ORDER BY seq").all();
  return { finals: Map.groupBy(answers, ({ op_id }) => op_id), log: log.map(({ entry }) => entry) };
}

async function cutOps(cuts: number, wrapper: readonly string[] = []): Promise<Found> {
  await using scene = new Scene(wrapper);
  const { ops, world } = scene;
  await scene.start();
  for (let cut = 1; cut <= cuts; cut += 1) {
    const left = ops.filter(({ heard }) => !FINAL.includes(heard));
    const open = [...left, ...Array.from({ length: Math.min(OPS_PER_CUT, Math.max(1, OPEN_MAX - left.length)) }, () => scene.fresh())];
    const offering = (async () => {
      for (const op of open) {
        await scene.offer(op);
        void scene.follow(op);
      }
    })();
    // How long the load runs, not a wait for something to happen.
    await Bun.sleep(world.rng.int(CUT_WITHIN_MS));
    await scene.cut();
    await offering;
    await scene.start();
    await scene.hold(`cut ${cut}`);
  }
  const heard = ops.filter((op) => op.heard !== "nothing").length;
  for (const op of ops) await scene.offer(op);
  const endMs = performance.now() + WAIT_MS;
  for (const op of ops) await scene.follow(op, endMs);
  await scene.end();
  return { ops: ops.length, cuts, heard, ...scene.judge(), wrong: scene.wrong };
}

const said = (what: string, found: Found): void =>
  void process.stdout.write(`power cuts, ${what}: ${JSON.stringify({ ...found, wrong: found.wrong.length })}\n`);

cutting(
  title("J02: no op runs twice and nothing a box has answered is gone when the power is cut"),
  async () => {
    const found = await cutOps(CUTS);
    said("ops", found);
    expect(found.wrong).toEqual([]);
    expect([found.done + found.interrupted, found.heard > 0, found.done > 0]).toEqual([found.ops, true, true]);
  },
  SWEEP_MS_MAX,
);

cutting(
  title("J02: a box whose syncs are swallowed is caught forgetting ops, and running them again"),
  async () => {
    const found = await cutOps(PLANTED_CUTS, WITHOUT_SYNC);
    said("ops without fsync (planted)", found);
    expect(found.wrong.length).toBeGreaterThan(0);
  },
  SWEEP_MS_MAX,
);
