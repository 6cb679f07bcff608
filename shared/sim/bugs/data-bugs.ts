/** Bugs of a box in keeping what it must keep, and in pacing itself. */
import type { Database } from "../../ports/databases.ts";
import type { World } from "../../ports/world.ts";
import type { Cluster } from "../cluster/cluster.ts";
import type { SimulateOptions } from "../simulate.ts";
import { CALM } from "../weather.ts";
import type { Bug } from "./bugs.ts";
import { wrapped } from "./wrapped-database.ts";

const MINUTE_MS = 60_000;
const LEFT_BEHIND = "left-behind";

export const DATA_BUGS: readonly Bug[] = [
  {
    name: "file-without-fsync",
    what: "files are renamed into place without being synced first",
    caughtBy: "everything-settles",
    plant: () =>
      onBoxes((world) => ({ ...world, files: { ...world.files, open: (...args) => ({ ...world.files.open(...args), sync: () => undefined }) } }), powerCuts),
  },
  {
    name: "rename-without-fsync",
    what: "the directory is not synced after a rename",
    caughtBy: "everything-settles",
    plant: () =>
      onBoxes(
        (world) => ({ ...world, files: { ...world.files, openDir: (...args) => ({ ...world.files.openDir(...args), sync: () => undefined }) } }),
        powerCuts,
      ),
  },
  {
    name: "sequence-starts-over",
    what: "the outbox counts from one again after a restart",
    caughtBy: "reports-arrive-once",
    plant: () => onBoxes((world) => withDatabase(world, forgetSequence), restarts),
  },
  {
    name: "outbox-row-changes",
    what: "a queued row is rewritten under its old number",
    caughtBy: "reports-arrive-once",
    plant: () => onBoxes((world) => ({ ...world, databases: { open: (...args) => rewritingOutbox(world.databases.open(...args)) } }), cutReplies),
  },
  {
    name: "retries-without-sleep",
    what: "a failed request is tried again at once",
    caughtBy: "nobody-spins",
    plant: () => onBoxes((world) => ({ ...world, clock: { ...world.clock, sleep: (ms, stop) => world.clock.sleep(Math.min(ms, 500), stop) } }), noHub),
  },
  {
    name: "back-off-never-resets",
    what: "waits only grow, whatever has succeeded since",
    caughtBy: "everything-settles",
    plant: () => {
      const factors = new Map<string, number>();
      const adapt: NonNullable<SimulateOptions["adapt"]> = (machine, world) => {
        if (!machine.startsWith("box")) return world;
        const sleep: World["clock"]["sleep"] = (ms, stop) => {
          const factor = Math.min(2_000, (factors.get(machine) ?? 1) * 1.2);
          factors.set(machine, factor);
          return world.clock.sleep(ms * factor, stop);
        };
        return { ...world, clock: { ...world.clock, sleep } };
      };
      return { adapt, drive: noHub };
    },
  },
  {
    name: "bundle-keeps-old-files",
    what: "a file that left the bundle stays in its tree",
    caughtBy: "trees-are-exact",
    plant: () =>
      onBoxes((world) => {
        const rename: World["files"]["rename"] = (op, from, to) => {
          if (op === "bundle.swap" && /\/bundle\/\d+$/.test(to)) leaveBehind(world, from);
          world.files.rename(op, from, to);
        };
        // And it does not look: a box that lists its tree finds such a file and builds the tree anew.
        const list: World["files"]["list"] = (op, path) => world.files.list(op, path).filter((name) => name !== LEFT_BEHIND);
        return { ...world, files: { ...world.files, rename, list } };
      }),
  },
  {
    name: "agent-dies-of-a-defect",
    what: "an unexpected error ends the agent's store, again and again",
    caughtBy: "no-unexpected-failure",
    plant: () =>
      onBoxes(
        (world, cluster) =>
          withDatabase(world, (op) => {
            if (op === "store.open" && (cluster()?.nowMs ?? 0) > 30 * MINUTE_MS) throw new TypeError("undefined is not a function (planted)");
          }),
        restarts,
      ),
  },
];

/** Wraps the World of every process on every box. */
function onBoxes(change: (world: World, cluster: () => Cluster | undefined) => World, drive?: (cluster: Cluster) => void): Partial<SimulateOptions> {
  let known: Cluster | undefined;
  return {
    adapt: (machine, world) => (machine.startsWith("box") ? change(world, () => known) : world),
    drive: (cluster) => {
      known = cluster;
      drive?.(cluster);
    },
  };
}

function withDatabase(world: World, opened: (op: string, database: Database) => void): World {
  return {
    ...world,
    databases: {
      open: (op, path, options) => {
        const database = world.databases.open(op, path, options);
        opened(op, database);
        return database;
      },
    },
  };
}

function forgetSequence(op: string, database: Database): void {
  if (op === "store.open") database.run("bug", "DELETE FROM counter WHERE name = 'next_seq'");
}

/** Each time rows are taken to be sent they are not quite what they were. */
function rewritingOutbox(database: Database): Database {
  return wrapped(database, {
    all: (op, sql, ...params) => {
      if (op === "outbox.batch")
        database.run("bug", "UPDATE outbox SET body = replace(body, '\"payload\":\"', '\"payload\":\"AAAA') WHERE kind IN ('report', 'facts')");
      return database.all(op, sql, ...params);
    },
  });
}

function cutReplies(cluster: Cluster): void {
  cluster.weather.storm = { ...CALM, cut: 0.6 };
}

function leaveBehind(world: World, tree: string): void {
  const handle = world.files.open("bug", `${tree}/${LEFT_BEHIND}`, "exclusive", 0o644);
  handle.close();
}

function every(cluster: Cluster, ms: number, times: number, run: () => void): void {
  for (let at = 1; at <= times; at += 1) cluster.scheduler.after(at * ms, run);
}

function powerCuts(cluster: Cluster): void {
  for (const [at, box] of cluster.boxes.entries()) every(cluster, (17 + at) * MINUTE_MS, 6, () => box.powerCut(MINUTE_MS));
}

function restarts(cluster: Cluster): void {
  for (const [at, box] of cluster.boxes.entries()) every(cluster, (13 + at) * MINUTE_MS, 8, () => box.keeper.crash());
}

/** The hub is away for most of the time. */
function noHub(cluster: Cluster): void {
  every(cluster, 20 * MINUTE_MS, 5, () => cluster.hub.powerCut(18 * MINUTE_MS));
}
