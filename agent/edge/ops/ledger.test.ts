import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { isFault } from "../../../shared/core/fault.ts";
import { SimClock } from "../../../shared/sim/sim-clock.ts";
import { FLEET_MADE_MS } from "../../../shared/sim/test-fleet.ts";
import { makeOpsBox, type OpsBox, type RunningOps, startOps } from "../../../shared/sim/test-ops-box.ts";
import { type TestWorld, testWorld } from "../../../shared/sim/test-world.ts";

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
const count = (name = "counter"): ReturnType<OpsBox["op"]> => box.op("cmd.run", { argv: ["/bin/sh", "-c", `echo x >> ${world.dir}/${name}`] });
const counted = (name = "counter"): number => (existsSync(`${world.dir}/${name}`) ? readFileSync(`${world.dir}/${name}`, "utf8").length / 2 : 0);
const ran = async (op: ReturnType<OpsBox["op"]>): Promise<string> => {
  const offered = await ops.operations.offer(op.bytes, "file");
  return offered.is === "admitted" ? (await ops.final(op.id)).state : offered.is === "refused" ? offered.code : offered.is;
};
const incident = (): { readonly is: string; readonly id: string } | undefined => {
  const row = ops.desk.store.use((database) =>
    database.get<{ incident_is: string | null; incident: string | null }>("test", "SELECT incident_is, incident FROM ledger"),
  );
  return row?.incident === null || row?.incident === undefined ? undefined : { is: row.incident_is ?? "", id: row.incident };
};
const FILES = ["agent.db", "agent.db-wal", "agent.db-shm", "ledger.json"];
const copyAside = (names: readonly string[] = FILES): void => {
  mkdirSync(`${world.dir}/aside`, { recursive: true });
  for (const name of names) if (existsSync(`${box.dataDir}/${name}`)) copyFileSync(`${box.dataDir}/${name}`, `${world.dir}/aside/${name}`);
};
const putBack = (names: readonly string[] = FILES): void => {
  for (const name of names) {
    rmSync(`${box.dataDir}/${name}`, { force: true });
    if (existsSync(`${world.dir}/aside/${name}`)) copyFileSync(`${world.dir}/aside/${name}`, `${box.dataDir}/${name}`);
  }
};

describe("A06: an older copy put back", () => {
  test("of the database alone is noticed by the marker beside it", async () => {
    const first = count();
    expect(await ran(first)).toBe("done");
    ops.crash();
    copyAside();
    ops = await startOps(world, box);
    const second = count();
    expect(await ran(second)).toBe("done");
    ops.crash();
    putBack(["agent.db", "agent.db-wal", "agent.db-shm"]);
    ops = await startOps(world, box);
    expect(incident()?.is).toBe("behind");
    expect([await ran(second), await ran(count()), await ran(box.op("ping"))]).toEqual(["op_ledger_unsafe", "op_ledger_unsafe", "done"]);
    expect(counted()).toBe(2);
  });

  test("of everything is noticed by the generation that the hub has seen, and stays noticed without the hub", async () => {
    await ran(count());
    ops.crash();
    copyAside();
    ops = await startOps(world, box);
    const second = count();
    await ran(second);
    ops.crash();
    putBack();
    ops = await startOps(world, box);
    ops.operations.heard(2);
    expect(incident()?.is).toBe("behind");
    await restart();
    expect(await ran(second)).toBe("op_ledger_unsafe");
    for (let at = 0; at < 5; at += 1) await ran(box.op("ping"));
    ops.operations.heard(2);
    expect(await ran(count())).toBe("op_ledger_unsafe");
    expect(counted()).toBe(2);
  });
});

describe("A07: a damaged ledger", () => {
  test("that is gone is never an empty one", async () => {
    const first = count();
    await ran(first);
    ops.crash();
    for (const name of ["agent.db", "agent.db-wal", "agent.db-shm"]) rmSync(`${box.dataDir}/${name}`, { force: true });
    // What a restore from the snapshot would bring back is not the ledger.
    ops = await startOps(world, box);
    expect(incident()?.is).toBe("damaged");
    expect([await ran(first), counted()]).not.toContain("done");
    expect(counted()).toBe(1);
  });

  test("one bit flipped at any place, sampled: the op that ran does not run again", async () => {
    const first = count();
    await ran(first);
    ops.crash();
    copyAside();
    const size = readFileSync(`${world.dir}/aside/agent.db`).byteLength;
    let unsafe = 0;
    let known = 0;
    const step = Math.max(1, Math.floor(size / 160));
    for (let at = 7; at < size; at += step) {
      putBack();
      for (const name of readdirSync(box.dataDir)) if (name.startsWith("agent.db.damaged")) rmSync(`${box.dataDir}/${name}`);
      const bytes = readFileSync(`${box.dataDir}/agent.db`);
      bytes[at] = (bytes[at] ?? 0) ^ (1 << (at % 8));
      writeFileSync(`${box.dataDir}/agent.db`, bytes);
      try {
        ops = await startOps(world, box);
        const verdict = await ran(first);
        if (verdict === "op_ledger_unsafe") unsafe += 1;
        if (verdict === "known") known += 1;
        expect([at, ["op_ledger_unsafe", "known", "unavailable"].includes(verdict) ? "refused" : verdict]).toEqual([at, "refused"]);
      } catch (error) {
        // One bit in the name of a migration: the database is refused as a whole, and nothing runs.
        if (!isFault(error, "db_failed")) throw error;
      } finally {
        ops.crash();
      }
      expect([at, counted()]).toEqual([at, 1]);
    }
    expect(known).toBeGreaterThan(0);
    expect(unsafe).toBeGreaterThan(0);
    ops = await startOps(world, box);
  }, 240_000);

  test("a bit in the marker is damage as well", async () => {
    await ran(count());
    ops.crash();
    const path = `${box.dataDir}/ledger.json`;
    writeFileSync(path, readFileSync(path, "utf8").replace('\\"generation\\":1', '\\"generation\\":0'));
    ops = await startOps(world, box);
    expect(incident()?.is).toBe("damaged");
  });
});

describe("O02: recovery", () => {
  test("needs the incident's own name, and then refuses what was issued before it", async () => {
    const first = count();
    await ran(first);
    ops.crash();
    for (const name of ["agent.db", "agent.db-wal", "agent.db-shm"]) rmSync(`${box.dataDir}/${name}`, { force: true });
    ops = await startOps(world, box);
    // Documents come from the snapshot until a worker writes them back.
    const id = incident()?.id ?? "";
    const waiting = count("late");
    await world.clock.advance(1_000);
    expect(await ran(box.op("agent.recover-ledger", { incident: "lost-aaaaaaaa" }))).toBe("op_precondition");
    expect(await ran(box.op("agent.recover-ledger", { incident: id }))).toBe("done");
    expect(incident()).toBeUndefined();
    expect([await ran(first), await ran(waiting)]).toEqual(["below_floor", "below_floor"]);
    await world.clock.advance(1_000);
    expect(await ran(count())).toBe("done");
    await restart();
    expect([incident(), await ran(first)]).toEqual([undefined, "known"]);
    expect(counted()).toBe(2);
  });
});

test("J09: a row is pruned only when its expiry lies below the time floor, and a late duplicate is then refused by that", async () => {
  const first = box.op("cmd.run", { argv: ["/bin/sh", "-c", `echo x >> ${world.dir}/counter`] }, { expires_at: world.clock.wallMs() + 10_000 });
  await ran(first);
  const rows = (): number => ops.desk.store.use((database) => database.all("test", "SELECT id FROM op")).length;
  await world.clock.advance(5_000);
  await ran(box.op("ping"));
  expect(rows()).toBe(2);
  await world.clock.advance(20_000);
  await ran(box.op("ping"));
  expect(rows()).toBe(2);
  // The box's own clock may say what it likes now.
  world.clock.jumpWall(-20_000);
  expect(["expired", "below_floor", "known"]).toContain(await ran(first));
  expect(counted()).toBe(1);
});

test("the time floor survives a restart, and dates bundles too", async () => {
  await ran(box.op("ping"));
  const issued = world.clock.wallMs();
  await restart();
  const { loadDesired } = await import("../desired/load-desired.ts");
  expect(loadDesired(world, box.dataDir).documents.floor.timeMs).toBeLessThanOrEqual(issued);
  expect(loadDesired(world, box.dataDir).documents.floor.timeMs).toBeGreaterThan(issued - 1_000);
});

test("a database that is lost under a running agent is never taken for an empty record", async () => {
  const first = count();
  await ran(first);
  ops.desk.store.quarantine(new Error("test"));
  expect(await ran(first)).toBe("op_ledger_unsafe");
  expect(incident()?.is).toBe("damaged");
  expect(counted()).toBe(1);
});
