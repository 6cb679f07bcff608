/** Bugs in running an op at most once, and in telling how it ended. */
import type { Database } from "../../ports/databases.ts";
import type { World } from "../../ports/world.ts";
import type { Cluster } from "../cluster/cluster.ts";
import type { SimulateOptions } from "../simulate.ts";
import type { Bug } from "./bugs.ts";
import { wrapped } from "./wrapped-database.ts";

const MINUTE_MS = 60_000;

export const OPS_BUGS: readonly Bug[] = [
  {
    name: "ledger-not-consulted",
    what: "an op that is delivered again is run again",
    caughtBy: "ops-at-most-once",
    plant: () => onBoxes((database) => forgetful(database, () => false), replays),
  },
  {
    name: "nonces-in-memory-only",
    what: "what was seen is forgotten when the agent starts again",
    caughtBy: "ops-at-most-once",
    plant: () =>
      onBoxes(
        (database, seen) =>
          forgetful(
            database,
            (id) => seen.has(id),
            (id) => seen.add(id),
          ),
        (cluster) => {
          replays(cluster);
          restarts(cluster);
        },
      ),
  },
  {
    name: "interrupted-op-runs-again",
    what: "an op that was running when the agent died is started anew",
    caughtBy: "ops-at-most-once",
    plant: () =>
      onBoxes(
        (database) =>
          wrapped(database, {
            all: (op, sql, ...params) => {
              if (op === "ledger.active") database.run("bug", "UPDATE op SET state = 'admitted' WHERE state = 'running'");
              return database.all(op, sql, ...params);
            },
          }),
        restarts,
      ),
  },
  {
    name: "answers-thrown-away",
    what: "an answer is gone from the outbox before it was acknowledged",
    caughtBy: "reports-arrive-once",
    plant: () =>
      onBoxes((database) =>
        wrapped(database, {
          all: (op, sql, ...params) => {
            if (op === "outbox.batch") database.run("bug", "DELETE FROM outbox WHERE kind = 'return' AND seq % 7 = 0");
            return database.all(op, sql, ...params);
          },
        }),
      ),
  },
  {
    name: "log-leaves-entries-out",
    what: "some ops are missing from the log that the hub is told",
    caughtBy: "ops-end-once",
    // Seen at the end only: an hour is enough.
    plant: () => ({
      ...onBoxes((database) =>
        wrapped(database, {
          all: (op, sql, ...params) => {
            if (op === "outbox.batch") database.run("bug", "DELETE FROM outbox WHERE kind = 'op-log' AND seq % 7 = 0");
            return database.all(op, sql, ...params);
          },
        }),
      ),
      hours: 1,
    }),
  },
];

/** The database of every process on every box, with the ids that this process took. */
function onBoxes(change: (database: Database, seen: Set<string>) => Database, drive?: (cluster: Cluster) => void): Partial<SimulateOptions> {
  const adapt = (machine: string, world: World): World => {
    if (!machine.startsWith("box")) return world;
    const seen = new Set<string>();
    return { ...world, databases: { ...world.databases, open: (...args) => change(world.databases.open(...args), seen) } };
  };
  return { opsPerHour: 240, adapt, ...(drive === undefined ? {} : { drive }) };
}

/** Takes an op for new unless `isSeen`; the row that would be in its way is taken out. */
function forgetful(database: Database, isSeen: (id: string) => boolean, took: (id: string) => void = () => undefined): Database {
  return wrapped(database, {
    get: (op, sql, ...params) => {
      return op === "ledger.seen" && !isSeen(String(params[0])) ? undefined : database.get(op, sql, ...params);
    },
    run: (op, sql, ...params) => {
      if (op === "ledger.insert") {
        database.run("bug", "DELETE FROM op WHERE id = ?", params[0] ?? "");
        took(String(params[0]));
      }
      return database.run(op, sql, ...params);
    },
  });
}

/** A courier that gives what was signed again and again. */
function replays(cluster: Cluster): void {
  cluster.middleman.hostility = 0.5;
}

function restarts(cluster: Cluster): void {
  for (const [at, box] of cluster.boxes.entries()) {
    for (let nth = 1; nth <= 20; nth += 1) cluster.scheduler.after((5 + at + nth * 4) * MINUTE_MS, () => box.keeper.crash());
  }
}
