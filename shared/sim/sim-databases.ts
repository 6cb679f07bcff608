/**
 * `Databases` on a simulated disk: real SQLite in memory, kept with the disk's file, so that it outlives its process with exactly
 * what was committed. A process may die right before or right after any commit, and a commit may fail.
 */
import { Database as Sqlite } from "bun:sqlite";
import { assert } from "../core/assert.ts";
import { Fault } from "../core/fault.ts";
import { databaseOn } from "../edge/databases.ts";
import { fileFault } from "../edge/errno.ts";
import { migrate } from "../edge/migrate.ts";
import type { Database, Databases, Row, SqlValue } from "../ports/databases.ts";
import type { FileNode, SimDisk } from "./sim-disk.ts";
import type { SimProcess } from "./sim-process.ts";

export function simDatabases(process: SimProcess, disk: SimDisk): Databases {
  return {
    open: (op, path, { migrations, readonly = false }) => {
      const file = process.effect(op, "write", () => fileAt(op, path, disk, readonly));
      if (file.damaged === true) throw new Fault("db_damaged", `Cannot open ${path}: SQLITE_CORRUPT`, { facts: { op } });
      const database = (file.sqlite ??= newSqlite()).database;
      const opened = new GatedDatabase(process, disk, file, database, path, readonly);
      migrate(op, opened, migrations, readonly);
      return opened;
    },
  };
}

function fileAt(op: string, path: string, disk: SimDisk, readonly: boolean): FileNode {
  try {
    const there = disk.find(disk.root, path, false);
    if (there === undefined && readonly) throw new Fault("file_missing", `Cannot open ${path}: it is not there`, { facts: { op } });
    if (there !== undefined && there.kind !== "file") throw new Fault("file_not_regular", `Cannot open ${path}: it is not a regular file`, { facts: { op } });
    if (there !== undefined) {
      if (there.sqlite === undefined && there.bytes.byteLength > 0) throw new Fault("db_damaged", `Cannot open ${path}: SQLITE_NOTADB`, { facts: { op } });
      return there;
    }
    return createFile(path, disk);
  } catch (error) {
    throw fileFault(op, `open ${path}`, error);
  }
}

/** Its directory entry is durable at once, as the real adapter makes it. */
function createFile(path: string, disk: SimDisk): FileNode {
  const { dir, name } = disk.parent(disk.root, path, 0);
  const node = disk.newFile(0o600);
  disk.change({ dir, name, node });
  disk.syncDir(dir);
  return node;
}

/** Empty, or with the content of a serialised database. */
export function newSqlite(from?: Uint8Array): NonNullable<FileNode["sqlite"]> {
  const sqlite = from === undefined ? new Sqlite(":memory:") : Sqlite.deserialize(Buffer.from(from));
  sqlite.run("PRAGMA foreign_keys = ON");
  sqlite.run("PRAGMA trusted_schema = OFF");
  return { database: databaseOn(sqlite, "a simulated database"), serialize: () => new Uint8Array(sqlite.serialize()) };
}

class GatedDatabase implements Database {
  readonly #process: SimProcess;
  readonly #disk: SimDisk;
  readonly #file: FileNode;
  readonly #database: Database;
  readonly #path: string;
  readonly #readonly: boolean;
  #inTransaction = false;
  #closed = false;

  constructor(process: SimProcess, disk: SimDisk, file: FileNode, database: Database, path: string, readonly: boolean) {
    this.#process = process;
    this.#disk = disk;
    this.#file = file;
    this.#database = database;
    this.#path = path;
    this.#readonly = readonly;
  }

  all<T = Row>(op: string, sql: string, ...params: readonly SqlValue[]): readonly T[] {
    this.#check(op);
    return this.#process.effect(op, "query", () => this.#database.all<T>(op, sql, ...params));
  }

  get<T = Row>(op: string, sql: string, ...params: readonly SqlValue[]): T | undefined {
    this.#check(op);
    return this.#process.effect(op, "query", () => this.#database.get<T>(op, sql, ...params));
  }

  run(op: string, sql: string, ...params: readonly SqlValue[]): { readonly changes: number; readonly lastId: number } {
    this.#check(op);
    if (this.#readonly) throw new Fault("db_failed", `Cannot use ${this.#path}: SQLITE_READONLY`, { facts: { op, sqlite: "SQLITE_READONLY" } });
    return this.#process.effect(op, this.#inTransaction ? "query" : "commit", () => this.#database.run(op, sql, ...params));
  }

  transaction<T>(op: string, body: () => T): T {
    this.#check(op);
    assert(!this.#inTransaction, `transactions are not nested (${op})`);
    this.#inTransaction = true;
    try {
      const { result, fate } = this.#database.transaction(op, () => {
        const made = body();
        assert(!(made instanceof Promise), `a transaction's body is synchronous (${op})`);
        return { result: made, fate: this.#process.begin(op, "commit") }; // dying or failing here rolls back
      });
      this.#process.finish(fate);
      return result;
    } finally {
      this.#inTransaction = false;
    }
  }

  copyTo(op: string, path: string): void {
    this.#check(op);
    this.#process.effect(op, "write", () => {
      try {
        if (this.#disk.find(this.#disk.root, path, false) !== undefined)
          throw new Fault("file_exists", `Cannot create ${path}: it is there`, { facts: { op } });
        createFile(path, this.#disk).sqlite = newSqlite(this.#file.sqlite?.serialize());
      } catch (error) {
        throw fileFault(op, `create ${path}`, error);
      }
    });
  }

  check(op: string): string {
    if (this.#file.damaged === true) return "simulated damage";
    return this.#process.effect(op, "query", () => this.#database.check(op));
  }

  close(): void {
    this.#closed = true; // the connection stays with the disk
  }

  #check(op: string): void {
    if (this.#closed) throw new Fault("db_failed", `Cannot use ${this.#path}: it was closed`, { facts: { op } });
    if (this.#file.damaged === true) throw new Fault("db_damaged", `Cannot use ${this.#path}: SQLITE_CORRUPT`, { facts: { op, sqlite: "SQLITE_CORRUPT" } });
  }
}
