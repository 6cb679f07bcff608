import { describe, expect, test } from "bun:test";
import { isFault } from "../../core/fault.ts";
import type { Databases, Migration } from "../../ports/databases.ts";
import { codeOf } from "./files-contract.ts";

export interface DatabasesUnderTest {
  readonly databases: Databases;
  /** A directory for fresh database files. */
  readonly dir: string;
}

const FIRST: Migration = { version: 1, name: "things", statements: ["CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT UNIQUE, data BLOB) STRICT"] };
const SECOND: Migration = {
  version: 2,
  name: "parts",
  statements: ["CREATE TABLE parts (thing INTEGER NOT NULL REFERENCES things (id)) STRICT", "CREATE INDEX parts_thing ON parts (thing)"],
};

/** What every `Databases` promises. */
export function databasesContract(name: string, make: () => DatabasesUnderTest): void {
  describe(`databases: ${name}`, () => {
    test("values of every kind come back as they went in", () => {
      const { databases, dir } = make();
      const database = databases.open("test", `${dir}/a.db`, { migrations: [FIRST] });
      const { lastId, changes } = database.run("test", "INSERT INTO things (name, data) VALUES (?, ?)", "é", new Uint8Array([0, 255]));
      expect([lastId, changes]).toEqual([1, 1]);
      expect(database.get<unknown>("test", "SELECT * FROM things")).toEqual({ id: 1, name: "é", data: new Uint8Array([0, 255]) });
      expect(database.get("test", "SELECT * FROM things WHERE id = 2")).toBeUndefined();
      expect(database.all<unknown>("test", "SELECT ? AS big, ? AS none", 1_760_000_000_123, null)).toEqual([{ big: 1_760_000_000_123, none: null }]);
      database.close();
    });

    test("committed rows are there after reopening, rolled-back ones are not", () => {
      const { databases, dir } = make();
      const database = databases.open("test", `${dir}/a.db`, { migrations: [FIRST] });
      const result = database.transaction("test", () => {
        database.run("test", "INSERT INTO things (name) VALUES ('kept')");
        return 42;
      });
      expect(result).toBe(42);
      const lost = (): void =>
        database.transaction("test", () => {
          database.run("test", "INSERT INTO things (name) VALUES ('lost')");
          throw new Error("planted");
        });
      expect(lost).toThrow("planted");
      database.run("test", "INSERT INTO things (name) VALUES ('alone')");
      database.close();
      const again = databases.open("test", `${dir}/a.db`, { migrations: [FIRST] });
      expect(again.all<unknown>("test", "SELECT name FROM things ORDER BY id")).toEqual([{ name: "kept" }, { name: "alone" }]);
      again.close();
    });

    test("migrations run once, in order, and later ones find the data", () => {
      const { databases, dir } = make();
      const old = databases.open("test", `${dir}/a.db`, { migrations: [FIRST] });
      old.run("test", "INSERT INTO things (name) VALUES ('old')");
      old.close();
      const next = databases.open("test", `${dir}/a.db`, { migrations: [FIRST, SECOND] });
      next.run("test", "INSERT INTO parts (thing) SELECT id FROM things");
      expect(next.all<unknown>("test", "SELECT version, name FROM schema_version ORDER BY version")).toEqual([
        { version: 1, name: "things" },
        { version: 2, name: "parts" },
      ]);
      next.close();
    });

    test("a schema from a later version is refused and untouched", () => {
      const { databases, dir } = make();
      databases.open("test", `${dir}/a.db`, { migrations: [FIRST, SECOND] }).close();
      expect(codeOf(() => databases.open("test", `${dir}/a.db`, { migrations: [FIRST] }))).toBe("db_newer");
      databases.open("test", `${dir}/a.db`, { migrations: [FIRST, SECOND] }).close();
    });

    test("a different history is refused", () => {
      const { databases, dir } = make();
      databases.open("test", `${dir}/a.db`, { migrations: [FIRST] }).close();
      expect(codeOf(() => databases.open("test", `${dir}/a.db`, { migrations: [{ ...FIRST, name: "other" }] }))).toBe("db_failed");
    });

    test("a migration that fails leaves nothing of itself", () => {
      const { databases, dir } = make();
      const broken: Migration = { version: 2, name: "parts", statements: ["CREATE TABLE halfway (id INTEGER) STRICT", "not SQL"] };
      expect(codeOf(() => databases.open("test", `${dir}/a.db`, { migrations: [FIRST, broken] }))).toBe("db_failed");
      const database = databases.open("test", `${dir}/a.db`, { migrations: [FIRST, SECOND] });
      expect(database.get("test", "SELECT 1 FROM sqlite_master WHERE name = 'halfway'")).toBeUndefined();
      database.close();
    });

    test("a broken constraint is db_failed and says which, foreign keys included", () => {
      const { databases, dir } = make();
      const database = databases.open("test", `${dir}/a.db`, { migrations: [FIRST, SECOND] });
      database.run("test", "INSERT INTO things (name) VALUES ('one')");
      const reason = (sql: string): unknown => {
        try {
          database.run("test", sql);
          return "nothing";
        } catch (error) {
          return isFault(error, "db_failed") ? error.facts["sqlite"] : error;
        }
      };
      expect(reason("INSERT INTO things (name) VALUES ('one')")).toBe("SQLITE_CONSTRAINT_UNIQUE");
      expect(reason("INSERT INTO parts (thing) VALUES (99)")).toBe("SQLITE_CONSTRAINT_FOREIGNKEY");
      database.close();
    });

    test("transactions are not nested, nor asynchronous", () => {
      const { databases, dir } = make();
      const database = databases.open("test", `${dir}/a.db`, { migrations: [FIRST] });
      expect(() => database.transaction("test", () => database.transaction("test", () => 1))).toThrow("not nested");
      expect(() => database.transaction("test", () => Promise.resolve(1))).toThrow("synchronous");
      database.transaction("test", () => database.run("test", "INSERT INTO things (name) VALUES ('after')"));
      expect(database.all("test", "SELECT * FROM things")).toHaveLength(1);
      database.close();
    });

    test("a copy holds what was committed and is sound", () => {
      const { databases, dir } = make();
      const database = databases.open("test", `${dir}/a.db`, { migrations: [FIRST] });
      database.run("test", "INSERT INTO things (name) VALUES ('one')");
      database.copyTo("test", `${dir}/copy.db`);
      database.run("test", "INSERT INTO things (name) VALUES ('two')");
      expect(codeOf(() => database.copyTo("test", `${dir}/copy.db`))).toBe("file_exists");
      const copy = databases.open("test", `${dir}/copy.db`, { migrations: [FIRST] });
      expect(copy.all<unknown>("test", "SELECT name FROM things")).toEqual([{ name: "one" }]);
      expect(copy.check("test")).toBe("ok");
      copy.close();
      database.close();
    });

    test("a reader sees what was committed and can write nothing", () => {
      const { databases, dir } = make();
      const database = databases.open("test", `${dir}/a.db`, { migrations: [FIRST] });
      database.run("test", "INSERT INTO things (name) VALUES ('one')");
      const reader = databases.open("test", `${dir}/a.db`, { migrations: [FIRST], readonly: true });
      expect(reader.all("test", "SELECT * FROM things")).toHaveLength(1);
      expect(codeOf(() => reader.run("test", "DELETE FROM things"))).toBe("db_failed");
      reader.close();
      database.close();
      expect(codeOf(() => databases.open("test", `${dir}/none.db`, { migrations: [FIRST], readonly: true }))).toBe("file_missing");
    });

    test("more different statements than are kept still work", () => {
      const { databases, dir } = make();
      const database = databases.open("test", `${dir}/a.db`, { migrations: [FIRST] });
      for (let n = 0; n < 500; n += 1) expect(database.get<unknown>("test", `SELECT ${n} AS n`)).toEqual({ n });
      expect(database.get<unknown>("test", "SELECT 0 AS n")).toEqual({ n: 0 });
      database.close();
    });
  });
}
