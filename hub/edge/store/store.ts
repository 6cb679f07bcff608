/**
 * The hub's one way to its database. Reads run at once; writes are bodies that run inside one durable transaction.
 *
 * Writes that are waiting at the same moment share one commit (each in its own savepoint): a disk gives some 2 000
 * durable commits a second, a reconnecting fleet asks for more. A body that throws undoes itself alone; a commit that
 * fails fails every body that was in it. A write's promise resolves only once its rows are on the platter.
 *
 * Aggregates (one file each beside this one) export synchronous functions that take a `Tx` or a `Database`, so that one
 * transaction can span several; everything that calls the store awaits, so that PostgreSQL fits behind the same shape.
 */
import { Fault, isFault } from "../../../shared/core/fault.ts";
import type { Health } from "../../../shared/core/health.ts";
import type { Database } from "../../../shared/ports/databases.ts";
import type { World } from "../../../shared/ports/world.ts";

/** Inside a write: the database, and what is to happen once (and only if) the write is durable. */
export interface Tx {
  readonly db: Database;
  readonly afterCommit: (effect: () => void) => void;
  /**
   * Once per commit and key, after the last body, in the same transaction: many bodies that change one row write it once. What a body
   * that failed had put in is not there. When `run` throws, it alone is undone and `failed` is told; the bodies stand.
   */
  readonly atEnd: <T>(key: string, item: T, end: AtEnd<T>) => void;
  /** What `atEnd` has for this key so far, taken out: whoever writes the row now takes it along. */
  readonly takeEnd: (key: string) => readonly unknown[];
}

export interface AtEnd<T> {
  readonly run: (tx: Tx, items: readonly T[]) => void;
  readonly failed: (error: unknown) => void;
}

export interface Store {
  read<T>(body: (db: Database) => T): Promise<T>;
  write<T>(op: string, body: (tx: Tx) => T): Promise<T>;
  /** Writes waiting now: the measure by which load is shed. */
  waiting(): number;
  health(): Health;
  counts(): { readonly writes: number; readonly commits: number; readonly failures: number };
  /** Lets waiting writes end, then closes the file. */
  close(): Promise<void>;
  /** Rejects when the disk can no longer be trusted: the process must stop rather than go on (a failed fsync is never retried). */
  readonly broken: Promise<never>;
}

interface Waiting {
  readonly op: string;
  run(tx: Tx): void;
  done(): void;
  fail(error: unknown): void;
}

export const WRITES_WAITING_MAX = 20_000;
const BODIES_PER_COMMIT_MAX = 512;

export function openedStore(world: World, db: Database): Store {
  let queue: Waiting[] = [];
  let flushing: Promise<void> | undefined;
  let closed = false;
  let health: Health = { is: "healthy" };
  const counts = { writes: 0, commits: 0, failures: 0 };
  const { promise: broken, reject: breakDown } = Promise.withResolvers<never>();
  broken.catch(() => {});
  const idle = new AbortController().signal;

  async function flush(): Promise<void> {
    await world.clock.sleep(0, idle);
    while (queue.length > 0) {
      const batch = queue.slice(0, BODIES_PER_COMMIT_MAX);
      queue = queue.slice(BODIES_PER_COMMIT_MAX);
      commit(batch);
      if (queue.length > 0) await world.clock.sleep(0, idle);
    }
    flushing = undefined;
  }

  function commit(batch: readonly Waiting[]): void {
    const settled: { readonly waiting: Waiting; readonly error?: unknown }[] = [];
    const effects: (() => void)[] = [];
    const op = batch.length === 1 ? (batch[0]?.op ?? "hub.write") : "hub.write";
    try {
      db.transaction(op, () => {
        const ends: Ends = new Map();
        for (const waiting of batch) settled.push(runOne(db, waiting, effects, ends));
        runEnds(db, effects, ends);
      });
    } catch (error) {
      counts.failures += 1;
      health = { is: "failed", because: error instanceof Error ? error.message : String(error) };
      for (const waiting of batch) waiting.fail(error);
      if (isFault(error, "disk_failed") || isFault(error, "db_damaged")) breakDown(error);
      return;
    }
    counts.commits += 1;
    counts.writes += batch.length;
    health = { is: "healthy" };
    for (const { waiting, error } of settled) {
      if (error === undefined) waiting.done();
      else waiting.fail(error);
    }
    for (const effect of effects) effect();
  }

  return {
    read: async (body) => body(db),
    write: (op, body) => {
      if (closed) return Promise.reject(new Fault("unavailable", "Cannot write: the hub is stopping"));
      if (queue.length >= WRITES_WAITING_MAX) return Promise.reject(new Fault("unavailable", `Cannot write: ${queue.length} writes are waiting`));
      const { promise, resolve, reject } = Promise.withResolvers<ReturnType<typeof body>>();
      const result: { value?: ReturnType<typeof body> } = {};
      queue.push({
        op,
        run: (tx) => {
          result.value = body(tx);
        },
        done: () => resolve(result.value as ReturnType<typeof body>),
        fail: reject,
      });
      flushing ??= flush();
      return promise;
    },
    waiting: () => queue.length,
    health: () => health,
    counts: () => counts,
    close: async () => {
      closed = true;
      await flushing;
      db.close();
    },
    broken,
  };
}

interface End {
  readonly items: unknown[];
  readonly end: AtEnd<unknown>;
}
type Ends = Map<string, End>;

function runOne(db: Database, waiting: Waiting, effects: (() => void)[], ends: Ends): { readonly waiting: Waiting; readonly error?: unknown } {
  const mine: (() => void)[] = [];
  const own: Ends = new Map();
  const taken: string[] = [];
  db.run("hub.savepoint", "SAVEPOINT write_body");
  try {
    waiting.run(
      txOn(db, mine, own, (key) => {
        const before = taken.includes(key) ? [] : (ends.get(key)?.items ?? []);
        taken.push(key);
        return before;
      }),
    );
  } catch (error) {
    // A full disk can undo the whole transaction; then this throws too and the batch fails as one.
    db.run("hub.savepoint", "ROLLBACK TO write_body");
    db.run("hub.savepoint", "RELEASE write_body");
    return { waiting, error: error ?? new Error("a write body threw nothing") };
  }
  db.run("hub.savepoint", "RELEASE write_body");
  effects.push(...mine);
  for (const key of taken) ends.delete(key);
  for (const [key, { items, end }] of own) {
    const known = ends.get(key);
    if (known === undefined) ends.set(key, { items, end });
    else known.items.push(...items);
  }
  return { waiting };
}

function txOn(db: Database, effects: (() => void)[], own: Ends, before: (key: string) => readonly unknown[]): Tx {
  return {
    db,
    afterCommit: (effect) => effects.push(effect),
    atEnd: (key, item, end) => {
      const known = own.get(key);
      // The items of one key are all of one kind: its own `run` reads them.
      if (known === undefined) own.set(key, { items: [item], end: end as AtEnd<unknown> });
      else known.items.push(item);
    },
    takeEnd: (key) => {
      const items = [...before(key), ...(own.get(key)?.items ?? [])];
      own.delete(key);
      return items;
    },
  };
}

function runEnds(db: Database, effects: (() => void)[], ends: Ends): void {
  for (const { items, end } of ends.values()) {
    const mine: (() => void)[] = [];
    db.run("hub.savepoint", "SAVEPOINT write_body");
    try {
      const own: Ends = new Map();
      end.run(
        txOn(db, mine, own, () => []),
        items,
      );
      // What it leaves for the end is done now: this is the end.
      for (const last of own.values())
        last.end.run(
          txOn(db, mine, new Map(), () => []),
          last.items,
        );
    } catch (error) {
      db.run("hub.savepoint", "ROLLBACK TO write_body");
      db.run("hub.savepoint", "RELEASE write_body");
      effects.push(() => end.failed(error));
      continue;
    }
    db.run("hub.savepoint", "RELEASE write_body");
    effects.push(...mine);
  }
}
