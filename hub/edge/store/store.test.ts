import { expect, test } from "bun:test";
import { Fault } from "../../../shared/core/fault.ts";
import { realDatabases } from "../../../shared/edge/databases.ts";
import { SimClock } from "../../../shared/sim/sim-clock.ts";
import { testWorld } from "../../../shared/sim/test-world.ts";
import { readMeta, writeMeta } from "./meta.ts";
import { databasePath, MIGRATIONS, openStore } from "./open.ts";

class EagerClock extends SimClock {
  override sleep(ms: number, stop: AbortSignal): Promise<void> {
    return ms <= 0 ? new Promise((resolve) => setImmediate(resolve)) : super.sleep(ms, stop);
  }
}
const eagerWorld = () => testWorld({ clock: new EagerClock() });

test("writes that wait together share a commit; each is durable when it resolves", async () => {
  using world = eagerWorld();
  const store = openStore(world, world.dir);
  await Promise.all(
    Array.from({ length: 100 }, (_, n) => store.write("test", ({ db }) => db.run("test", "INSERT INTO meta (name, value) VALUES (?, '1')", `n${n}`))),
  );
  expect(store.counts()).toMatchObject({ writes: 100, commits: 1 });
  const other = realDatabases.open("test", databasePath(world.dir), { migrations: MIGRATIONS, readonly: true });
  expect(other.get("test", "SELECT count(*) AS count FROM meta")).toEqual({ count: 100 });
  other.close();
  await store.close();
});

test("a body that throws undoes itself alone, and its effects do not run", async () => {
  using world = eagerWorld();
  const store = openStore(world, world.dir);
  const effects: string[] = [];
  const write = (name: string, fails: boolean) =>
    store.write("test", ({ db, afterCommit }) => {
      afterCommit(() => effects.push(name));
      db.run("test", "INSERT INTO meta (name, value) VALUES (?, '1')", name);
      if (fails) throw new Fault("conflict", "Cannot do it");
      return name;
    });
  const results = await Promise.allSettled([write("a", false), write("b", true), write("c", false)]);
  expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  expect(effects).toEqual(["a", "c"]);
  expect(await store.read((db) => db.all("test", "SELECT name FROM meta ORDER BY name"))).toEqual([{ name: "a" }, { name: "c" }]);
  await store.close();
});

test("a statement that breaks a constraint fails its own body only", async () => {
  using world = eagerWorld();
  const store = openStore(world, world.dir);
  const insert = () => store.write("test", ({ db }) => db.run("test", "INSERT INTO meta (name, value) VALUES ('once', '1')"));
  const results = await Promise.allSettled([insert(), insert(), insert()]);
  expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected"]);
  await store.close();
});

test("H04: when the disk fails a commit, everybody in it is told, effects do not run, and the store says it is broken", async () => {
  using world = eagerWorld();
  const databases: typeof realDatabases = {
    open: (op, path, options) => {
      const db = realDatabases.open(op, path, options);
      const transaction: typeof db.transaction = (operation, body) =>
        db.transaction(operation, () => {
          body();
          throw new Fault("disk_failed", "Cannot use hub.db: SQLITE_IOERR_FSYNC");
        });
      return { ...bound(db), transaction };
    },
  };
  const store = openStore({ ...world, databases }, world.dir);
  let effects = 0;
  const writes = [1, 2].map(() =>
    store.write("test", ({ db, afterCommit }) => {
      afterCommit(() => {
        effects += 1;
      });
      writeMeta(db, "write_probe", "1");
    }),
  );
  expect((await Promise.allSettled(writes)).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  expect(effects).toBe(0);
  expect(store.health().is).toBe("failed");
  expect(await store.broken.catch((error: unknown) => error instanceof Fault && error.code)).toBe("disk_failed");
  expect(await store.read((db) => readMeta(db, "write_probe"))).toBeUndefined();
  await store.close();
});

function bound<T extends object>(target: T): T {
  return new Proxy(target, {
    get: (object, name) => {
      const value: unknown = Reflect.get(object, name, object);
      return typeof value === "function" ? value.bind(object) : value;
    },
    ownKeys: () => ["all", "get", "run", "transaction", "copyTo", "check", "close"],
    getOwnPropertyDescriptor: () => ({ enumerable: true, configurable: true }),
  });
}

test("closing lets what waits end, and takes nothing new", async () => {
  using world = eagerWorld();
  const store = openStore(world, world.dir);
  const last = store.write("test", ({ db }) => writeMeta(db, "write_probe", "last"));
  await store.close();
  await last;
  expect(await store.write("test", () => {}).catch((error: unknown) => error instanceof Fault && error.code)).toBe("unavailable");
  const again = openStore(world, world.dir);
  expect(await again.read((db) => readMeta(db, "write_probe"))).toBe("last");
  await again.close();
});

test("H10: a database from a later version is refused and left as it is", async () => {
  using world = eagerWorld();
  const later = [...MIGRATIONS, { version: MIGRATIONS.length + 1, name: "later", statements: ["CREATE TABLE later (x INTEGER) STRICT"] }];
  realDatabases.open("test", databasePath(world.dir), { migrations: later }).close();
  expect(() => openStore(world, world.dir)).toThrow(expect.objectContaining({ code: "db_newer" }));
});

test("migrations are numbered from one without gaps", () => {
  expect(MIGRATIONS.map(({ version }) => version)).toEqual(MIGRATIONS.map((_, at) => at + 1));
});
