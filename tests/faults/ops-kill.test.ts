/**
 * O01, J01, J06, J07: a real agent takes ops from files and is killed (kill -9) at its N-th fsync, pwrite64 or rename, for
 * every N there is between the offer and the answer. The executor is a counter: a shell appends one line and syncs it. Afterwards the agent starts
 * anew, the same op is offered again, and: the line is there at most once, exactly one final answer exists, `done` means that it is there,
 * and `interrupted` is said where nobody can know.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Database } from "bun:sqlite";
import { verifyOpLog } from "../../shared/ops/op-log.ts";
import { makeOpsBox, type OpsBox } from "../../shared/sim/test-ops-box.ts";
import { type TestWorld, testWorld } from "../../shared/sim/test-world.ts";
import { valueOf } from "../../shared/sim/test-fleet.ts";
import { verifyReturn } from "../../shared/trust/op.ts";
import type { ReturnPayload } from "../../shared/trust/payloads.ts";

const BINARY = process.env["FELHOM_BINARY"] ?? join(dirname(dirname(import.meta.dir)), "dist", "felhom");
const reason = Bun.which("strace") === null ? "strace is not installed" : existsSync(BINARY) ? undefined : "dist/felhom is not built";
const SYSCALLS = ["fsync", "pwrite64", "rename"];
const POINTS_MAX = 400;
const OPS_WANTED = Number(process.env["FELHOM_OPS"] ?? "2000");
const WAIT_MS = 120_000;
const FINAL = ["done", "failed", "interrupted", "cancelled", "expired", "refused", "busy"];

let world: TestWorld;
let dir: string;
let box: OpsBox;
let agent: ChildProcess | undefined;
/** Over the whole run. */
const seen = { ops: 0, kills: 0, duplicates: 0, lost: 0, interrupted: 0, done: 0 };

beforeAll(() => {
  world = testWorld({ seed: "ops-kill" });
  dir = mkdtempSync(join(tmpdir(), "felhom-ops-kill-"));
  box = makeOpsBox(world, join(dir, "box"), () => Date.now());
});
afterAll(async () => {
  await end();
  world.remove();
  rmSync(dir, { recursive: true, force: true });
  process.stdout.write(`ops-kill: ${JSON.stringify(seen)}\n`);
});

/** What died a moment ago may still hold the lock while the kernel clears it away: whoever keeps an agent alive starts it again, and so do we. */
async function start(...wrapper: readonly string[]): Promise<void> {
  const endMs = Date.now() + WAIT_MS;
  while (!(await startOnce(wrapper))) {
    // Under a wrapper its end is what was asked for.
    if (wrapper.length > 0 || Date.now() > endMs) throw new Error("the agent did not come up");
    await Bun.sleep(50);
  }
}

/** Whether it answers; false when it ended before it did. */
async function startOnce(wrapper: readonly string[]): Promise<boolean> {
  const argv = [...wrapper, BINARY, "agent", "--data-dir", box.dataDir, "--log-format", "json"];
  const child = spawn(argv[0] ?? BINARY, argv.slice(1), {
    stdio: ["ignore", "ignore", "ignore"],
    detached: true,
    env: { PATH: process.env["PATH"] ?? "", HOME: dir },
  });
  agent = child;
  const endMs = Date.now() + WAIT_MS;
  while ((await ask("GET", "/healthz")) === undefined) {
    if (child.exitCode !== null || child.signalCode !== null) return false;
    if (Date.now() > endMs) throw new Error("the agent did not come up");
    await Bun.sleep(10);
  }
  return true;
}

const hasEnded = (): boolean => agent === undefined || agent.exitCode !== null || agent.signalCode !== null;

async function end(signal: "SIGKILL" | "SIGTERM" = "SIGKILL"): Promise<void> {
  const child = agent;
  if (child?.pid === undefined || hasEnded()) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  process.kill(-child.pid, signal);
  await ended;
}

async function ask(method: "GET" | "POST", path: string, body?: Uint8Array): Promise<Record<string, unknown> | undefined> {
  try {
    const reply = await fetch(`http://agent${path}`, {
      method,
      unix: join(box.dataDir, "agent.sock"),
      ...(body === undefined ? {} : { body }),
      signal: AbortSignal.timeout(WAIT_MS),
    });
    const text = await reply.text();
    return text.startsWith("{") ? (JSON.parse(text) as Record<string, unknown>) : { text };
  } catch {
    return undefined;
  }
}

/** Until the op is over, or the agent is. */
async function settled(id: string): Promise<string | undefined> {
  const endMs = Date.now() + WAIT_MS;
  for (;;) {
    const look = await ask("GET", `/ops?id=${id}`);
    const state = typeof look?.["state"] === "string" ? look["state"] : undefined;
    if (state !== undefined && FINAL.includes(state)) return state;
    if (hasEnded() || Date.now() > endMs) return state;
    await Bun.sleep(5);
  }
}

const counterOf = (id: string): string => join(dir, `counter-${id}`);
const counted = (id: string): number => (existsSync(counterOf(id)) ? readFileSync(counterOf(id), "utf8").split("\n").length - 1 : 0);
function counting(): ReturnType<OpsBox["op"]> {
  seen.ops += 1;
  // The id is the op's own: the shell is told where to write by a file that stands for it.
  const name = `n${seen.ops}`;
  const op = box.op("cmd.run", { argv: ["/bin/sh", "-c", `echo x >> ${join(dir, `counter-${name}`)}; sync ${join(dir, `counter-${name}`)}`] });
  names.set(op.id, name);
  return op;
}
const names = new Map<string, string>();
const countOf = (op: { readonly id: string }): number => counted(names.get(op.id) ?? "");

/** What is durable, read while no agent runs. */
function durable(): { readonly finals: ReadonlyMap<string, readonly ReturnPayload[]>; readonly log: readonly string[] } {
  const database = new Database(join(box.dataDir, "agent.db"));
  // A worker of the agent that was killed may live on for a moment.
  database.run("PRAGMA busy_timeout = 10000");
  try {
    const identity = box.fleet.identity(box.host);
    const rows = database.query<{ body: string }, []>("SELECT body FROM outbox WHERE kind = 'return'").all();
    const finals = new Map<string, ReturnPayload[]>();
    for (const { body } of rows) {
      const answer = valueOf(verifyReturn(JSON.parse(body), identity));
      if (answer.state !== "running") finals.set(answer.op_id, [...(finals.get(answer.op_id) ?? []), answer]);
    }
    return {
      finals,
      log: database
        .query<{ entry: string }, []>("SELECT entry FROM op_log ORDER BY seq")
        .all()
        .map(({ entry }) => entry),
    };
  } finally {
    database.close();
  }
}

function judge(where: string, ops: readonly { readonly id: string }[]): void {
  const { finals, log } = durable();
  const chain = verifyOpLog(log);
  expect([where, chain.ok]).toEqual([where, true]);
  for (const op of ops) {
    const answers = finals.get(op.id) ?? [];
    const times = countOf(op);
    if (times > 1) seen.duplicates += 1;
    if (answers.length === 0) seen.lost += 1;
    expect([where, op.id, times <= 1, answers.length]).toEqual([where, op.id, true, 1]);
    const [answer] = answers;
    if (answer?.state === "done") {
      seen.done += 1;
      expect([where, times]).toEqual([where, 1]);
    } else {
      seen.interrupted += 1;
      expect([where, answer?.state]).toEqual([where, "interrupted"]);
    }
  }
}

describe.skipIf(reason !== undefined)(reason === undefined ? "ops and kill -9" : `ops and kill -9 [skipped: ${reason}]`, () => {
  for (const syscall of SYSCALLS) {
    test(`J01, O01: a kill at any ${syscall} from the offer to the answer: at most once, one answer`, async () => {
      // Where the offer begins among this process's calls is found by looking: points before it kill an agent that has taken nothing.
      let harmless = 0;
      let effective = 0;
      for (let nth = 1; nth <= POINTS_MAX && harmless < 2; nth += 1) {
        const op = counting();
        const inject = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", `trace=${syscall}`, "-e", `inject=${syscall}:signal=KILL:when=${nth}`];
        let offered = false;
        try {
          await start(...inject);
          offered = true;
          await ask("POST", "/ops", op.bytes);
          await settled(op.id);
        } catch {
          // Killed before it listened.
        }
        const wasKilled = hasEnded();
        await end();
        if (wasKilled) {
          seen.kills += 1;
          if (offered) effective += 1;
        } else harmless += 1;
        await start();
        await ask("POST", "/ops", op.bytes);
        await settled(op.id);
        await ask("POST", "/ops", op.bytes);
        await end("SIGTERM");
        judge(`${syscall} ${nth}`, [op]);
      }
      process.stdout.write(`${syscall}: ${effective} effective kill points\n`);
      expect(effective).toBeGreaterThan(0);
      expect(harmless).toBeGreaterThan(0);
    }, 600_000);
  }

  test(`at random under load: ${OPS_WANTED} ops, duplicates 0, lost 0`, async () => {
    const mine: { readonly id: string; readonly bytes: Uint8Array }[] = [];
    const seeded = testWorld({ seed: "load" });
    try {
      while (mine.length < OPS_WANTED) {
        await start();
        const batch = Array.from({ length: 40 }, counting);
        mine.push(...batch);
        const killing = Bun.sleep(20 + seeded.rng.int(600)).then(() => end());
        for (const op of batch) await ask("POST", "/ops", op.bytes);
        await killing;
        seen.kills += 1;
        await start();
        for (const op of batch) await ask("POST", "/ops", op.bytes);
        for (const op of batch) await settled(op.id);
        await end("SIGTERM");
      }
      judge("load", mine);
    } finally {
      seeded.remove();
    }
  }, 900_000);

  test("J06, J07: a program that outlives its agent is found again by pid and start time, holds what is exclusive, and is not started twice", async () => {
    await start();
    const slow = box.op("cmd.run", {
      argv: ["/bin/sh", "-c", `echo x >> ${counterOf("slow")}; while [ ! -e ${join(dir, "go")} ]; do sleep 0.05; done; echo x >> ${counterOf("slow-end")}`],
    });
    await ask("POST", "/ops", slow.bytes);
    while (!existsSync(counterOf("slow"))) await Bun.sleep(10);
    // Only the agent: its child leads a group of its own and lives on.
    process.kill(agent?.pid ?? 0, "SIGKILL");
    while (!hasEnded()) await Bun.sleep(5);
    await start();
    expect(await settled(slow.id)).toBe("interrupted");
    const next = counting();
    await ask("POST", "/ops", next.bytes);
    const ping = box.op("ping");
    await ask("POST", "/ops", ping.bytes);
    expect(await settled(ping.id)).toBe("done");
    expect((await ask("GET", `/ops?id=${next.id}`))?.["state"]).toBe("admitted");
    writeFileSync(join(dir, "go"), "");
    expect(await settled(next.id)).toBe("done");
    await end("SIGTERM");
    expect([counted("slow"), counted("slow-end")]).toEqual([1, 1]);
    const [answer] = durable().finals.get(slow.id) ?? [];
    expect(answer).toMatchObject({ state: "interrupted", code: "agent_ended", data: { still_running: true } });
  }, 240_000);

  test("J06: the machine's end takes the program with it: interrupted, and the operator decides", async () => {
    await start();
    const op = box.op("cmd.run", { argv: ["/bin/sh", "-c", `echo $$ > ${join(dir, "child")}; echo x >> ${counterOf("gone")}; sleep 1000`] });
    await ask("POST", "/ops", op.bytes);
    while (counted("gone") === 0) await Bun.sleep(10);
    process.kill(agent?.pid ?? 0, "SIGKILL");
    process.kill(-Number(readFileSync(join(dir, "child"), "utf8").trim()), "SIGKILL");
    while (!hasEnded()) await Bun.sleep(5);
    await start();
    expect(await settled(op.id)).toBe("interrupted");
    await end("SIGTERM");
    expect(counted("gone")).toBe(1);
    expect(durable().finals.get(op.id)?.[0]?.data).toBeUndefined();
  }, 240_000);
});
