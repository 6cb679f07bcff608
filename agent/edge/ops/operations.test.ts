import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { Fault } from "../../../shared/core/fault.ts";
import { base64, utf8 } from "../../../shared/core/bytes.ts";
import { verifyOpLog } from "../../../shared/ops/op-log.ts";
import { SimClock } from "../../../shared/sim/sim-clock.ts";
import { FLEET_MADE_MS } from "../../../shared/sim/test-fleet.ts";
import { makeOpsBox, type OpsBox, type RunningOps, startOps, textOf } from "../../../shared/sim/test-ops-box.ts";
import { readCounter, writeCounter } from "../store/counters.ts";
import { type TestWorld, testWorld } from "../../../shared/sim/test-world.ts";
import { unsignedOp } from "../../../shared/trust/op.ts";
import { encodeEnvelope } from "../../../shared/trust/envelope.ts";
import { EXCLUSIVE_WAITING_MAX } from "../../core/ops/queue.ts";

let world: TestWorld;
let box: OpsBox;
let ops: RunningOps;

beforeEach(async () => {
  world = testWorld({ clock: new SimClock(undefined, FLEET_MADE_MS + 3_600_000) });
  box = makeOpsBox(world, `${world.dir}/box`, () => world.clock.wallMs());
  ops = await startOps(world, box);
});
afterEach(() => {
  ops.crash();
  world.remove();
});

const restart = async (): Promise<void> => {
  ops.crash();
  ops = await startOps(world, box);
};
const logOf = (): readonly string[] =>
  ops.desk.store.use((database) => database.all<{ entry: string }>("test", "SELECT entry FROM op_log ORDER BY seq")).map(({ entry }) => entry);

describe("an op", () => {
  test("is answered once, signed, with the head of the log", async () => {
    const ping = box.op("ping");
    expect(await ops.operations.offer(ping.bytes, "file")).toEqual({ is: "admitted", opId: ping.id, isNews: true });
    const answer = await ops.final(ping.id);
    expect([answer.state, answer.part, answer.log?.seq]).toEqual(["done", 0, 1]);
    const verdict = verifyOpLog(logOf());
    expect(verdict.ok ? verdict.head.hash : verdict.because).toBe(answer.log?.hash ?? "");
  });

  test("spends the number of its answer with it, but not before the hub has told this process how far it has counted", async () => {
    const sent = (): number => ops.desk.store.use((database) => readCounter(database, "sent_seq"));
    ops.desk.store.use((database) => writeCounter(database, "counted", 1)); // as in a copy of the database that was put back
    const first = box.op("ping");
    await ops.operations.offer(first.bytes, "file");
    expect((await ops.final(first.id)).state).toBe("done");
    expect(sent()).toBe(0);
    ops.desk.isCounted = true;
    const second = box.op("ping");
    await ops.operations.offer(second.bytes, "file");
    expect((await ops.final(second.id)).state).toBe("done");
    expect(sent()).toBeGreaterThan(0);
  });

  test("that may be done twice starts with its row", async () => {
    const look = box.op("facts.get");
    await ops.operations.offer(look.bytes, "file");
    const row = ops.desk.store.use((database) =>
      database.get<{ state: string; started_ms: number | null }>("test", "SELECT state, started_ms FROM op WHERE id = ?", look.id),
    );
    expect(row).toEqual({ state: "running", started_ms: world.clock.wallMs() });
    expect((await ops.final(look.id)).state).toBe("done");
    expect(ops.answers(look.id)).toHaveLength(1);
  });

  test("whose answer is all that it does is over with its row: all of it is on disk, or nothing", async () => {
    const ping = box.op("ping");
    expect((await ops.operations.offer(ping.bytes, "nats")).is).toBe("admitted");
    const row = (): unknown =>
      ops.desk.store.use((database) => database.get("test", "SELECT state, envelope, answer IS NOT NULL AS answered FROM op WHERE id = ?", ping.id));
    expect([row(), ops.answers(ping.id).map(({ state }) => state), logOf()]).toEqual([
      { state: "done", envelope: null, answered: 1 },
      ["done"],
      [expect.stringContaining(ping.id)],
    ]);
    await restart();
    expect((await ops.operations.offer(ping.bytes, "sync")).is).toBe("known");
    expect(ops.answers(ping.id)).toHaveLength(1);
  });

  test("that may not be done twice is in its row before its start is", async () => {
    const op = box.op("cmd.run", { argv: ["/bin/true"] });
    await ops.operations.offer(op.bytes, "file");
    expect(ops.desk.store.use((database) => database.get("test", "SELECT state, started_ms FROM op WHERE id = ?", op.id))).toEqual({
      state: "admitted",
      started_ms: null,
    });
    expect((await ops.final(op.id)).state).toBe("done");
  });

  test("over another carrier meets the same ledger", async () => {
    const op = box.op("cmd.run", { argv: ["/bin/sh", "-c", `echo x >> ${world.dir}/counter`] });
    await ops.operations.offer(op.bytes, "file");
    await ops.final(op.id);
    for (const carrier of ["sync", "nats", "file"] as const) expect((await ops.operations.offer(op.bytes, carrier)).is).toBe("known");
    await restart();
    expect((await ops.operations.offer(op.bytes, "sync")).is).toBe("known");
    expect(readFileSync(`${world.dir}/counter`, "utf8")).toBe("x\n");
    expect(ops.answers(op.id).filter(({ state }) => state !== "running")).toHaveLength(1);
  });

  test("runs a program with exactly its environment, stdin, words and directory", async () => {
    const op = box.op("cmd.run", { argv: ["/usr/bin/env"], env: { A: "1", PWD: "/mine" }, cwd: "/usr", stdin: base64(utf8("hello")) });
    await ops.operations.offer(op.bytes, "file");
    const answer = await ops.final(op.id);
    const lines = textOf(answer.stdout).trim().split("\n").sort();
    expect(lines.map((line) => line.split("=")[0])).toEqual(["A", "HOME", "LANG", "LOGNAME", "PATH", "PWD", "USER"]);
    expect(lines).toContain("PWD=/mine");
    const cat = box.op("cmd.run", { argv: ["/bin/cat"], stdin: base64(utf8("line one\nline two")) });
    await ops.operations.offer(cat.bytes, "file");
    expect(textOf((await ops.final(cat.id)).stdout)).toBe("line one\nline two");
  });

  test("runs a script from the signed bytes, and leaves nothing of it", async () => {
    const op = box.op("cmd.run", { script: "#!/bin/sh\necho $1 $0; exit 3\n", args: ["one"] });
    await ops.operations.offer(op.bytes, "file");
    const answer = await ops.final(op.id);
    expect([answer.state, answer.exit, answer.code]).toEqual(["failed", 3, "exit"]);
    expect(textOf(answer.stdout)).toStartWith("one /");
    expect(readdirSync(`${box.dataDir}/ops`)).toEqual([]);
  });

  test("streams what it says in bounded parts, cuts it at its cap and says so", async () => {
    const op = box.op("cmd.run", { argv: ["/bin/sh", "-c", "head -c 200000 /dev/zero"], output_bytes_max: 100_000 });
    await ops.operations.offer(op.bytes, "file");
    const final = await ops.final(op.id);
    const parts = ops.answers(op.id);
    const bytes = parts.map(({ stdout }) => Buffer.from(stdout ?? "", "base64").byteLength);
    expect(bytes.reduce((sum, count) => sum + count, 0)).toBe(100_000);
    expect(Math.max(...bytes)).toBeLessThanOrEqual(32 * 1_024);
    expect(parts.map(({ part }) => part)).toEqual(parts.map((_, at) => at));
    expect([final.state, final.truncated]).toEqual(["done", true]);
  });

  test("that says nothing is told to run, once", async () => {
    const op = box.op("cmd.run", { argv: ["/bin/sh", "-c", `while [ ! -e ${world.dir}/go ]; do sleep 0.01; done`] });
    await ops.operations.offer(op.bytes, "file");
    for (let at = 0; at < 10; at += 1) await world.clock.advance(500);
    expect(ops.answers(op.id).map(({ state, part }) => [state, part])).toEqual([["running", 0]]);
    writeFileSync(`${world.dir}/go`, "");
    expect(await ops.final(op.id)).toMatchObject({ state: "done", part: 1 });
  });

  test("ends at its time limit, with its grandchildren", async () => {
    const op = box.op("cmd.run", { argv: ["/bin/sh", "-c", `sleep 1000 & echo $! > ${world.dir}/pid; wait`], timeout_s: 1 });
    await ops.operations.offer(op.bytes, "file");
    const answer = await ops.final(op.id);
    expect([answer.state, answer.code, answer.signal]).toEqual(["failed", "timed_out", "SIGKILL"]);
    const pid = existsSync(`${world.dir}/pid`) ? readFileSync(`${world.dir}/pid`, "utf8").trim() : "";
    if (pid !== "") expect(isAlive(pid)).toBe(false);
  });

  test("that is refused says why, once, and is not run later", async () => {
    const early = box.op("ping", {}, { issued_at: world.clock.wallMs() + 3_600_000, expires_at: world.clock.wallMs() + 7_200_000 });
    expect(await ops.operations.offer(early.bytes, "file")).toMatchObject({ is: "refused", code: "from_future" });
    expect((await ops.final(early.id)).code).toBe("from_future");
    await world.clock.advance(3_700_000);
    expect((await ops.operations.offer(early.bytes, "file")).is).toBe("known");
    expect(ops.answers(early.id)).toHaveLength(1);
  });

  test("whose signatures do not count gets no answer, only a line in the log, and those are bounded", async () => {
    for (let at = 0; at < 50; at += 1) {
      const { bytes } = box.op("ping", {}, {}, [{ ...box.host.signingKey }]);
      expect(await ops.operations.offer(bytes, "file")).toMatchObject({ is: "refused", code: "key_unknown" });
    }
    expect(logOf().length).toBeLessThanOrEqual(20);
    expect(ops.desk.store.use((database) => database.all("test", "SELECT 1 FROM outbox WHERE kind = 'return'"))).toHaveLength(0);
  });

  test("that nobody signed runs if it only reads, takes no row and moves no floor", async () => {
    const { bytes } = box.op("ping");
    const payload = Buffer.from(JSON.parse(new TextDecoder().decode(bytes)).payload, "base64");
    const unsigned = encodeEnvelope(unsignedOp(new Uint8Array(payload)));
    const id = JSON.parse(payload.toString()).id as string;
    expect((await ops.operations.offer(unsigned, "sync")).is).toBe("admitted");
    expect((await ops.final(id)).state).toBe("done");
    expect((await ops.operations.offer(unsigned, "sync")).is).toBe("known");
    expect(ops.desk.store.use((database) => database.all("test", "SELECT id FROM op"))).toEqual([]);
  });

  test("that nobody signed and that is refused says why, takes no row, and a flood of them is bounded", async () => {
    const unsigned = (target?: { readonly host_id: string }): { readonly id: string; readonly bytes: Uint8Array } => {
      const { id, bytes } = box.op(
        "ping",
        {},
        {
          issued_at: world.clock.wallMs() + 3_600_000,
          expires_at: world.clock.wallMs() + 7_200_000,
          ...(target === undefined ? {} : { target: target as never }),
        },
      );
      return { id, bytes: encodeEnvelope(unsignedOp(new Uint8Array(Buffer.from(JSON.parse(new TextDecoder().decode(bytes)).payload, "base64")))) };
    };
    const early = unsigned();
    expect(await ops.operations.offer(early.bytes, "sync")).toMatchObject({ is: "refused", code: "from_future" });
    expect(await ops.final(early.id)).toMatchObject({ state: "refused", code: "from_future" });
    await ops.operations.offer(early.bytes, "sync");
    expect(ops.answers(early.id)).toHaveLength(1);
    // What another host is meant by is another host's to answer.
    const other = unsigned({ host_id: "h-aaaaaaaaaaaaaaaa" });
    expect(await ops.operations.offer(other.bytes, "sync")).toMatchObject({ is: "refused", code: "op_target_mismatch" });
    expect(ops.answers(other.id)).toEqual([]);
    for (let at = 0; at < 50; at += 1) await ops.operations.offer(unsigned().bytes, "sync");
    expect(ops.desk.store.use((database) => database.all("test", "SELECT 1 FROM outbox WHERE kind = 'return'")).length).toBeLessThanOrEqual(20);
    expect(ops.desk.store.use((database) => database.all("test", "SELECT id FROM op"))).toEqual([]);
  });

  test("for a guest is refused: no driver is here", async () => {
    const op = box.op("guest.restart", {}, { target: { host_id: box.host.hostId, guest_id: "vm-1" } });
    expect(await ops.operations.offer(op.bytes, "file")).toMatchObject({ is: "refused", code: "op_precondition" });
  });
});

describe("the queue", () => {
  test("runs exclusive ops one after another and reads beside them", async () => {
    const slow = box.op("cmd.run", { argv: ["/bin/sh", "-c", `echo a >> ${world.dir}/order; sleep 0.2; echo b >> ${world.dir}/order`] });
    const next = box.op("cmd.run", { argv: ["/bin/sh", "-c", `echo c >> ${world.dir}/order`] });
    const ping = box.op("ping");
    for (const { bytes } of [slow, next, ping]) await ops.operations.offer(bytes, "file");
    await ops.final(ping.id);
    expect(ops.answers(slow.id).some(({ state }) => state !== "running")).toBe(false);
    await ops.final(next.id);
    expect(readFileSync(`${world.dir}/order`, "utf8")).toBe("a\nb\nc\n");
  });

  test("answers busy at once when it is full, and that op never runs", async () => {
    const release = await ops.desk.turnstile.acquire(new AbortController().signal);
    const all = Array.from({ length: EXCLUSIVE_WAITING_MAX + 3 }, () => box.op("cmd.run", { argv: ["/bin/sh", "-c", `echo x >> ${world.dir}/counter`] }));
    const verdicts: string[] = [];
    for (const { bytes } of all) verdicts.push((await ops.operations.offer(bytes, "file")).is);
    expect(verdicts.filter((is) => is === "busy")).toHaveLength(2);
    release?.();
    for (const { id } of all) await ops.final(id);
    expect(readFileSync(`${world.dir}/counter`, "utf8")).toBe("x\n".repeat(EXCLUSIVE_WAITING_MAX + 1));
    const busy = all.at(-1);
    expect(busy === undefined ? undefined : (await ops.operations.offer(busy.bytes, "file")).is).toBe("known");
  }, 240_000);

  test("O03: an op that was valid at receipt and expired in the queue does not run", async () => {
    const release = await ops.desk.turnstile.acquire(new AbortController().signal);
    const op = box.op("cmd.run", { argv: ["/bin/sh", "-c", `echo x >> ${world.dir}/counter`] }, { expires_at: world.clock.wallMs() + 60_000 });
    await ops.operations.offer(op.bytes, "file");
    await world.clock.advance(61_000);
    release?.();
    const answer = await ops.final(op.id);
    expect([answer.state, answer.code]).toEqual(["expired", "expired"]);
    expect(existsSync(`${world.dir}/counter`)).toBe(false);
  });

  test("a cancel stops what waits and kills what runs", async () => {
    const running = box.op("cmd.run", { argv: ["/bin/sh", "-c", "sleep 1000"] });
    const waiting = box.op("cmd.run", { argv: ["/bin/sh", "-c", `echo x >> ${world.dir}/counter`] });
    await ops.operations.offer(running.bytes, "file");
    await ops.operations.offer(waiting.bytes, "file");
    await world.clock.advance(10);
    ops.operations.cancel([waiting.id, running.id, "o-aaaaaaaaaaaaaaaa"]);
    expect([(await ops.final(waiting.id)).state, (await ops.final(running.id)).state]).toEqual(["cancelled", "cancelled"]);
    expect(existsSync(`${world.dir}/counter`)).toBe(false);
  });

  test("converge runs and exclusive ops pass one turnstile", async () => {
    const op = box.op("cmd.run", { argv: ["/bin/sleep", "1000"] });
    await ops.operations.offer(op.bytes, "file");
    await world.clock.advance(10);
    let converged = false;
    void ops.desk.turnstile.acquire(new AbortController().signal).then(() => (converged = true));
    await world.clock.advance(1_000);
    expect(converged).toBe(false);
    ops.operations.cancel([op.id]);
    await ops.final(op.id);
    await world.clock.advance(10);
    expect(converged).toBe(true);
  });
});

describe("the agent's end", () => {
  test("a stop lets a short op end, and ends a long one as interrupted; what waits keeps its place", async () => {
    const long = box.op("cmd.run", { argv: ["/bin/sleep", "1000"] });
    const next = box.op("cmd.run", { argv: ["/bin/sh", "-c", `echo x >> ${world.dir}/counter`] });
    await ops.operations.offer(long.bytes, "file");
    await ops.operations.offer(next.bytes, "file");
    await world.clock.advance(10);
    const stopped = ops.operations.stop();
    const answer = await ops.final(long.id);
    expect([answer.state, answer.code]).toEqual(["interrupted", "agent_stopping"]);
    await stopped;
    expect(ops.answers(next.id)).toEqual([]);
    await restart();
    expect((await ops.final(next.id)).state).toBe("done");
    expect(readFileSync(`${world.dir}/counter`, "utf8")).toBe("x\n");
  });

  test("a full disk costs parts of the output, not the answer", async () => {
    let isFull = false;
    const { store } = ops.desk;
    const use = store.use.bind(store);
    store.use = (body) => {
      if (isFull) throw new Fault("db_full", "Cannot write: the disk is full");
      return use(body);
    };
    const op = box.op("cmd.run", { argv: ["/bin/sh", "-c", `while [ ! -e ${world.dir}/full ]; do sleep 0.01; done; head -c 100000 /dev/zero`] });
    await ops.operations.offer(op.bytes, "file");
    await world.clock.advance(10);
    for (let looks = 0; looks < 50; looks += 1) await new Promise((resolve) => setTimeout(resolve, 1));
    isFull = true;
    writeFileSync(`${world.dir}/full`, "");
    for (let looks = 0; looks < 100; looks += 1) {
      await new Promise((resolve) => setTimeout(resolve, 2));
      await world.clock.advance(20);
    }
    isFull = false;
    const answer = await ops.final(op.id);
    expect([answer.state, answer.truncated]).toEqual(["done", true]);
  });
});

describe("files", () => {
  test("are put whole, and only where the condition holds", async () => {
    const path = `${world.dir}/put`;
    const put = box.op("file.put", { path, content: base64(utf8("one\n")), mode: "0640", only_if: "absent" });
    await ops.operations.offer(put.bytes, "file");
    expect((await ops.final(put.id)).state).toBe("done");
    expect(readFileSync(path, "utf8")).toBe("one\n");
    const again = box.op("file.put", { path, content: base64(utf8("two\n")), only_if: "absent" });
    await ops.operations.offer(again.bytes, "file");
    expect((await ops.final(again.id)).code).toBe("conflict");
    expect(readFileSync(path, "utf8")).toBe("one\n");
  });

  test("are read in parts from where it was asked", async () => {
    writeFileSync(`${world.dir}/large`, "0123456789".repeat(10_000));
    const op = box.op("file.get", { path: `${world.dir}/large`, offset: 5, bytes_max: 70_000 });
    await ops.operations.offer(op.bytes, "file");
    await ops.final(op.id);
    const text = ops.answers(op.id).map(({ stdout }) => textOf(stdout));
    expect(text.join("")).toBe("0123456789".repeat(10_000).slice(5, 70_005));
  });
});

function isAlive(pid: string): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}
