import { describe, expect, test } from "bun:test";
import { fromUtf8, utf8 } from "../core/bytes.ts";
import { Fault, isFault } from "../core/fault.ts";
import { durableWrite } from "../edge/durable-write.ts";
import { seededRng } from "../edge/rng.ts";
import type { World } from "../ports/world.ts";
import { Scheduler, settle } from "./scheduler.ts";
import { SimMachine } from "./sim-machine.ts";
import { SimNetwork } from "./sim-net.ts";
import { DONE, type Fates, ProcessDied } from "./sim-process.ts";

const WHOLE = { bytesMax: 1_000_000 } as const;
const SCHEMA = [{ version: 1, name: "things", statements: ["CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT) STRICT"] }];

function machine(seed = "test"): SimMachine {
  const scheduler = new Scheduler();
  const box = new SimMachine({ name: "box", address: "10.0.0.1", scheduler, network: new SimNetwork(scheduler), seed });
  const { world } = box.start("setup");
  world.files.makeDir("setup", "/data", 0o700);
  box.disk.syncAll();
  return box;
}

/** Dies at the n-th effect of the process, before or after it. */
function dyingAt(nth: number, how: "dies before" | "dies after"): Fates {
  let calls = 0;
  return () => {
    calls += 1;
    return calls === nth ? { is: how } : DONE;
  };
}

/** Runs `flow` again and again, killing it at each of its effects in turn, then asks `check` of what is left. */
function killEverywhere(flow: (world: World) => void, check: (box: SimMachine, finished: boolean) => void, cut: "process" | "power"): number {
  for (let nth = 1; nth < 1_000; nth += 1) {
    for (const how of ["dies before", "dies after"] as const) {
      for (const seed of ["a", "b", "c", "d", "e", "f"]) {
        const box = machine(seed);
        const { process, world } = box.start("flow");
        box.fates = dyingAt(nth, how);
        let finished = false;
        try {
          flow(world);
          finished = true;
        } catch (error) {
          if (!(error instanceof ProcessDied)) throw error;
        }
        process.die();
        if (cut === "power") box.powerCut(seededRng(`${seed}${nth}${how}`));
        box.fates = () => DONE;
        check(box, finished);
        if (finished && how === "dies after" && seed === "f") return nth;
      }
    }
  }
  throw new Error("the flow never ends");
}

const OLD = utf8("old".repeat(5_000));
const NEW = utf8("new".repeat(6_000));

describe("a durable write", () => {
  for (const cut of ["process", "power"] as const) {
    test(`leaves the old file or the new one, whole, after a ${cut} death at any of its steps`, () => {
      const flow = (world: World): void => durableWrite(world.files, world.crypto, "test.write", "/data/file", NEW, { mode: 0o600 });
      const seen = new Set<string>();
      const steps = killEverywhere(
        (world) => {
          flow(world);
        },
        (box, finished) => {
          const { world } = box.start("check");
          const there = world.files.stat("check", "/data/file");
          const text = there === undefined ? "nothing" : fromUtf8(world.files.read("check", "/data/file", WHOLE));
          expect(["nothing", fromUtf8(NEW)]).toContain(text);
          if (finished) expect(text).toBe(fromUtf8(NEW));
          seen.add(text.slice(0, 3));
        },
        cut,
      );
      expect([...seen].sort()).toEqual(["new", "not"]);
      expect(steps).toBeGreaterThan(5);
    });
  }

  test("without its fsync is caught: the power cut tears it", () => {
    const outcomes = new Set<string>();
    for (let seed = 0; seed < 40; seed += 1) {
      const box = machine();
      const { world } = box.start("flow");
      durableWrite(world.files, world.crypto, "test.write", "/data/file", OLD, { mode: 0o600 });
      const lazy = { ...world.files, open: (...args: Parameters<typeof world.files.open>) => ({ ...world.files.open(...args), sync: () => undefined }) };
      durableWrite(lazy, world.crypto, "test.write", "/data/file", NEW, { mode: 0o600 });
      box.powerCut(seededRng(String(seed)));
      const text = Buffer.from(box.start("check").world.files.read("check", "/data/file", WHOLE)).toString("latin1");
      outcomes.add(text === fromUtf8(NEW) ? "new" : text === fromUtf8(OLD) ? "old" : "torn");
    }
    expect(outcomes.has("torn")).toBe(true);
  });

  test("without the directory's fsync is caught: the power cut brings the old file back", () => {
    const outcomes = new Set<string>();
    for (let seed = 0; seed < 40; seed += 1) {
      const box = machine();
      const { world } = box.start("flow");
      durableWrite(world.files, world.crypto, "test.write", "/data/file", OLD, { mode: 0o600 });
      const lazy = { ...world.files, openDir: (op: string, path: string) => ({ ...world.files.openDir(op, path), sync: () => undefined }) };
      durableWrite(lazy, world.crypto, "test.write", "/data/file", NEW, { mode: 0o600 });
      box.powerCut(seededRng(String(seed)));
      outcomes.add(fromUtf8(box.start("check").world.files.read("check", "/data/file", WHOLE)).slice(0, 3));
    }
    expect([...outcomes].sort()).toEqual(["new", "old"]);
  });
});

describe("a database", () => {
  for (const cut of ["process", "power"] as const) {
    test(`holds all of a transaction or nothing, and all that was returned, after a ${cut} death at any step`, () => {
      killEverywhere(
        (world) => {
          const database = world.databases.open("test", "/data/a.db", { migrations: SCHEMA });
          database.transaction("test.add", () => {
            database.run("test.add", "INSERT INTO things (name) VALUES ('one')");
            database.run("test.add", "INSERT INTO things (name) VALUES ('two')");
          });
        },
        (box, finished) => {
          const database = box.start("check").world.databases.open("check", "/data/a.db", { migrations: SCHEMA });
          const rows = database.all("check", "SELECT * FROM things").length;
          expect(finished ? [2] : [0, 2]).toContain(rows);
          database.close();
        },
        cut,
      );
    });
  }

  test("is damaged when the simulation says so", () => {
    const box = machine();
    const { world } = box.start("flow");
    const database = world.databases.open("test", "/data/a.db", { migrations: SCHEMA });
    for (const [path, node] of box.disk.paths()) if (path === "/data/a.db" && node.kind === "file") node.damaged = true;
    expect(() => database.all("test", "SELECT 1")).toThrow("SQLITE_CORRUPT");
    expect(() => world.databases.open("test", "/data/a.db", { migrations: SCHEMA })).toThrow("SQLITE_CORRUPT");
  });
});

describe("a dead process", () => {
  test("hears of nothing: sleeps and requests never come back, calls throw", async () => {
    const box = machine();
    const { process, world } = box.start("flow");
    let woke = false;
    void world.clock.sleep(10, new AbortController().signal).then(() => {
      woke = true;
    });
    process.die();
    await settle();
    expect(woke).toBe(false);
    expect(() => world.files.list("test", "/data")).toThrow(ProcessDied);
  });

  test("frees its locks", () => {
    const box = machine();
    const first = box.start("flow");
    first.world.files.lock("test", "/data/lock");
    expect(() => box.start("other").world.files.lock("test", "/data/lock")).toThrow("another process");
    first.process.die();
    box.start("other").world.files.lock("test", "/data/lock");
  });

  test("an effect can fail with any fault instead", () => {
    const box = machine();
    const { world } = box.start("flow");
    box.fates = (_process, op) => (op === "test.write" ? { is: "fails", fault: new Fault("disk_full", "Cannot write: planted") } : DONE);
    expect(() => durableWrite(world.files, world.crypto, "test.write", "/data/file", NEW, { mode: 0o600 })).toThrow("planted");
    expect(world.files.list("test", "/data")).toEqual([]);
  });
});

test("a full disk is disk_full, and a write that failed takes no room", () => {
  const box = machine();
  const { world } = box.start("flow");
  box.disk.capacityBytes = 10_000;
  let fault: unknown;
  try {
    durableWrite(world.files, world.crypto, "test.write", "/data/file", NEW, { mode: 0o600 });
  } catch (error) {
    fault = error;
  }
  expect(isFault(fault, "disk_full")).toBe(true);
  expect(world.files.freeBytes("test", "/data")).toBe(10_000);
});

describe("a program", () => {
  const withProgram = (orphansLive: boolean) => {
    const scheduler = new Scheduler();
    const box = new SimMachine({
      name: "box",
      address: "10.0.0.1",
      scheduler,
      network: new SimNetwork(scheduler),
      seed: "test",
      programs: (argv) =>
        argv[0] === "writer"
          ? async ({ world, stdin, stop }) => {
              await world.clock.sleep(100, stop);
              world.files.open("child", "/out", "exclusive").write(stdin);
              return { code: 3, stdout: utf8("done") };
            }
          : undefined,
    });
    box.orphansLive = () => orphansLive;
    return { scheduler, box, ...box.start("parent") };
  };
  const command = { argv: ["writer"], stdin: utf8("in"), env: {}, timeoutMs: 1_000, outputBytesMax: 100 } as const;

  test("runs on the same disk and its end comes back", async () => {
    const { scheduler, world } = withProgram(false);
    const running = world.exec.run("test", command);
    await scheduler.advance(500);
    expect(await running).toMatchObject({ code: 3, stdout: utf8("done"), timedOut: false });
    expect(fromUtf8(world.files.read("test", "/out", WHOLE))).toBe("in");
  });

  test("is cut by its time limit", async () => {
    const { scheduler, world, box } = withProgram(false);
    const running = world.exec.run("test", { ...command, timeoutMs: 50 });
    await scheduler.advance(500);
    expect(await running).toMatchObject({ code: null, timedOut: true });
    expect([...box.disk.paths()]).toEqual([]);
  });

  test("that is not installed is exec_missing", async () => {
    const { world } = withProgram(false);
    const failed = await world.exec.run("test", { ...command, argv: ["other"] }).catch((error: unknown) => error);
    expect(isFault(failed, "exec_missing")).toBe(true);
  });

  for (const orphansLive of [false, true]) {
    test(orphansLive ? "may outlive its starter" : "may die with its starter", async () => {
      const { scheduler, world, process, box } = withProgram(orphansLive);
      void world.exec.run("test", command);
      await scheduler.advance(50);
      process.die();
      await scheduler.advance(500);
      expect([...box.disk.paths()].map(([path]) => path)).toEqual(orphansLive ? ["/out"] : []);
    });
  }
});
