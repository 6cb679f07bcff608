/** Bugs of the hub: in what it promises to keep, and in what it says of its hosts. */
import type { Database, SqlValue } from "../../ports/databases.ts";
import type { Handler } from "../../ports/net.ts";
import type { World } from "../../ports/world.ts";
import type { Cluster } from "../cluster/cluster.ts";
import { DONE } from "../sim-process.ts";
import type { SimulateOptions } from "../simulate.ts";
import type { Bug } from "./bugs.ts";
import { wrapped } from "./wrapped-database.ts";

const MINUTE_MS = 60_000;

export const HUB_BUGS: readonly Bug[] = [
  {
    name: "ack-before-commit",
    what: "the hub acknowledges what a power cut still takes away (SQLite without FULL)",
    caughtBy: "acked-writes-survive",
    plant: () => ({ drive: (cluster) => losesTail(cluster) }),
  },
  {
    name: "no-dedup",
    what: "the hub takes a row again that it has already taken",
    caughtBy: "reports-arrive-once",
    plant: () => onHub((world) => withRows(world, (row) => ("acked_seq" in row ? { ...row, acked_seq: 0 } : row)), diesAfterStoring),
  },
  {
    name: "ack-without-storing",
    what: "reports are acknowledged and dropped",
    caughtBy: "reports-arrive-once",
    plant: () => onHub((world) => withRuns(world, (sql) => !/INTO reports/i.test(sql))),
  },
  {
    name: "heard-and-not-noted",
    what: "syncs are answered from a cache that nobody tells the liveness check of",
    caughtBy: "liveness-is-true",
    plant: () => onHub((world) => ({ ...world, net: { ...world.net, serve: (op, listen, handler) => world.net.serve(op, listen, cachingSyncs(handler)) } })),
  },
  {
    name: "audit-row-edited",
    what: "somebody rewrites a row of the audit log",
    caughtBy: "audit-chain-holds",
    plant: () => ({ drive: (cluster) => later(cluster, 30, () => void cluster.hub.database()?.run("bug", "UPDATE audit SET actor = 'nobody' WHERE seq = 2")) }),
  },
  {
    name: "audit-row-missing",
    what: "a mutation leaves no trace in the audit log, and the next one follows a gap",
    caughtBy: "audit-chain-holds",
    plant: () => ({ drive: (cluster) => later(cluster, 30, () => void cluster.hub.database()?.run("bug", "DELETE FROM audit WHERE seq = 2")) }),
  },
  {
    name: "box-key-swapped",
    what: "the hub puts another box key under a host's name",
    caughtBy: "bindings-never-change",
    plant: () => ({ drive: (cluster) => later(cluster, 30, () => void cluster.hub.database()?.run("bug", "UPDATE hosts SET box_key = signing_key")) }),
  },
  {
    name: "epoch-ignored",
    what: "boxes do not give a restored hub back what it lost",
    caughtBy: "everything-settles",
    plant: () => ({ adapt: (machine, world) => (machine.startsWith("box") ? withoutOffers(world) : world), drive: restoresHub }),
  },
  {
    name: "real-clock-read",
    what: "something asks the real clock instead of the one it was given",
    caughtBy: "same-seed-same-run",
    plant: () =>
      onHub((world) => ({ ...world, clock: { ...world.clock, wallMs: () => world.clock.wallMs() + (Math.floor(performance.now() * 1_000) % 1_000) } })),
  },
];

function onHub(change: (world: World) => World, drive?: (cluster: Cluster) => void): Partial<SimulateOptions> {
  return { adapt: (machine, world) => (machine === "hub" ? change(world) : world), ...(drive === undefined ? {} : { drive }) };
}

function withDatabase(world: World, change: (database: Database) => Database): World {
  return { ...world, databases: { open: (...args) => change(world.databases.open(...args)) } };
}

/** Changes every row that is read. */
function withRows(world: World, change: (row: object) => object): World {
  const changed = <T>(row: T): T => (typeof row === "object" && row !== null ? (change(row) as T) : row);
  return withDatabase(world, (database) =>
    wrapped(database, {
      all: <T>(op: string, sql: string, ...params: readonly SqlValue[]) => database.all<T>(op, sql, ...params).map(changed),
      get: <T>(op: string, sql: string, ...params: readonly SqlValue[]) => changed(database.get<T>(op, sql, ...params)),
    }),
  );
}

/** Leaves out the statements that `isRun` refuses. */
function withRuns(world: World, isRun: (sql: string) => boolean): World {
  return withDatabase(world, (database) =>
    wrapped(database, { run: (op, sql, ...params) => (isRun(sql) ? database.run(op, sql, ...params) : { changes: 1, lastId: 0 }) }),
  );
}

/** From the third sync of each box on, its last answer again. */
function cachingSyncs(handler: Handler): Handler {
  const answers = new Map<string, { readonly text: string; count: number }>();
  return async (request, peer) => {
    if (!request.url.endsWith("/agent/v1/sync")) return handler(request, peer);
    const key = request.headers.get("authorization") ?? "";
    const known = answers.get(key);
    if (known !== undefined && known.count >= 3) return new Response(known.text, { headers: { "content-type": "application/json" } });
    const response = await handler(request, peer);
    const text = await response.text();
    const { status, headers } = response;
    if (status === 200) answers.set(key, { text: JSON.stringify({ ...(JSON.parse(text) as object), next_ms: 30_000 }), count: (known?.count ?? 0) + 1 });
    return new Response(text, { status, headers });
  };
}

function withoutOffers(world: World): World {
  const request: World["net"]["request"] = (op, wanted) => {
    if (!wanted.url.endsWith("/agent/v1/sync") || wanted.body === undefined) return world.net.request(op, wanted);
    const { offer: _forgotten, ...rest } = JSON.parse(new TextDecoder().decode(wanted.body)) as Record<string, unknown>;
    return world.net.request(op, { ...wanted, body: new TextEncoder().encode(JSON.stringify(rest)) });
  };
  return { ...world, net: { ...world.net, request } };
}

function later(cluster: Cluster, minutes: number, run: () => void): void {
  cluster.scheduler.after(minutes * MINUTE_MS, run);
}

/** Every hour the power fails and the last minutes of commits are gone. */
function losesTail(cluster: Cluster): void {
  for (let at = 1; at <= 3; at += 1) {
    let saved: Uint8Array | undefined;
    later(cluster, at * 40 - 10, () => {
      saved = cluster.hub.saveDatabase();
    });
    later(cluster, at * 40, () => {
      cluster.hub.powerCut(MINUTE_MS);
      if (saved !== undefined) cluster.hub.rewindDatabase(saved);
    });
  }
}

/** The hub dies just after it stored something, so that boxes send again what it has. */
function diesAfterStoring(cluster: Cluster): void {
  let commits = 0;
  cluster.fates = (machine, _process, op, kind) => {
    if (machine !== "hub" || kind !== "commit" || op !== "sync.outbox") return DONE;
    commits += 1;
    return commits % 4 === 0 ? { is: "dies after" } : DONE;
  };
}

/** A backup is put back that is older than what the operator did since; he believes it is done and does not do it again. */
export function restoresHub(cluster: Cluster): void {
  let saved: Uint8Array | undefined;
  later(cluster, 20, () => {
    saved = cluster.hub.saveDatabase();
  });
  later(cluster, 50, () => void cluster.operator.rotateRoot());
  later(cluster, 70, () => void cluster.operator.publish());
  later(cluster, 90, () => {
    if (saved !== undefined) cluster.hub.restoreBackup(saved, cluster.truth);
  });
}
