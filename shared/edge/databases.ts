/**
 * bun:sqlite as the `Databases` port: WAL, FULL, foreign keys, each read back after it was set, because SQLite ignores a
 * pragma it dislikes without a word. With FULL a returned commit survives a power cut (10 of 10 measured; NORMAL lost in 7 of 10).
 * A schema newer than this program's is refused before anything is written.
 */
import { Database as Sqlite, type Statement } from "bun:sqlite";
import { closeSync, constants, fsyncSync, lstatSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { assert } from "../core/assert.ts";
import { Fault } from "../core/fault.ts";
import type { Database, Databases, Migration, Row, SqlValue } from "../ports/databases.ts";
import { errnoOf, fileFault } from "./errno.ts";
import { sqliteFault } from "./sqlite-fault.ts";
import { migrate } from "./migrate.ts";

const BUSY_TIMEOUT_MS = 5_000;
const STATEMENTS_MAX = 200;

export const realDatabases: Databases = {
  open: (op, path, { migrations, readonly = false }) => {
    if (readonly) assertThere(op, path);
    else createPrivately(op, path);
    return openSqlite(op, path, migrations, readonly);
  },
};

/** Also serves the simulator, with `:memory:` databases and a gate around every call. */
export function openSqlite(op: string, path: string, migrations: readonly Migration[], readonly: boolean): Database {
  let sqlite: Sqlite;
  try {
    sqlite = new Sqlite(path, readonly ? { readonly: true } : { readwrite: true, create: true });
  } catch (error) {
    throw sqliteFault(op, `open ${path}`, error);
  }
  try {
    configure(op, path, sqlite, readonly);
    const database = new SqliteDatabase(sqlite, path);
    migrate(op, database, migrations, readonly);
    return database;
  } catch (error) {
    sqlite.close();
    throw sqliteFault(op, `open ${path}`, error);
  }
}

/** Wraps a connection that is open already. */
export function databaseOn(sqlite: Sqlite, name: string): Database {
  return new SqliteDatabase(sqlite, name);
}

function configure(op: string, path: string, sqlite: Sqlite, readonly: boolean): void {
  sqlite.run(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
  if (!readonly) sqlite.run("PRAGMA journal_mode = WAL");
  sqlite.run("PRAGMA synchronous = FULL");
  sqlite.run("PRAGMA foreign_keys = ON");
  sqlite.run("PRAGMA trusted_schema = OFF");
  const wanted = { journal_mode: path === ":memory:" ? "memory" : "wal", synchronous: 2, foreign_keys: 1 };
  for (const [pragma, value] of Object.entries(wanted)) {
    const [is] = Object.values(sqlite.query<Record<string, unknown>, []>(`PRAGMA ${pragma}`).get() ?? {});
    if (is !== value) throw new Fault("db_failed", `Cannot open ${path}: ${pragma} is ${String(is)} instead of ${value}`, { facts: { op } });
  }
}

class SqliteDatabase implements Database {
  readonly #sqlite: Sqlite;
  readonly #name: string;
  readonly #statements = new Map<string, Statement>();
  #inTransaction = false;

  constructor(sqlite: Sqlite, name: string) {
    this.#sqlite = sqlite;
    this.#name = name;
  }

  all<T = Row>(op: string, sql: string, ...params: readonly SqlValue[]): readonly T[] {
    return this.#guard(op, () => this.#statement(sql).all(...params) as T[]);
  }

  get<T = Row>(op: string, sql: string, ...params: readonly SqlValue[]): T | undefined {
    return this.#guard(op, () => (this.#statement(sql).get(...params) ?? undefined) as T | undefined);
  }

  run(op: string, sql: string, ...params: readonly SqlValue[]): { readonly changes: number; readonly lastId: number } {
    return this.#guard(op, () => {
      const { changes, lastInsertRowid } = this.#statement(sql).run(...params);
      return { changes, lastId: Number(lastInsertRowid) };
    });
  }

  transaction<T>(op: string, body: () => T): T {
    assert(!this.#inTransaction, `transactions are not nested (${op})`);
    this.#guard(op, () => this.#statement("BEGIN IMMEDIATE").run());
    this.#inTransaction = true;
    try {
      const result = body();
      assert(!(result instanceof Promise), `a transaction's body is synchronous (${op})`);
      this.#guard(op, () => this.#statement("COMMIT").run());
      return result;
    } catch (error) {
      this.#rollBack();
      throw error;
    } finally {
      this.#inTransaction = false;
    }
  }

  copyTo(op: string, path: string): void {
    createPrivately(op, path, true);
    this.#guard(op, () => this.#sqlite.query("VACUUM INTO ?").run(path));
    syncPath(op, path);
    syncPath(op, dirname(path));
  }

  check(op: string): string {
    const rows = this.#guard(op, () => this.#sqlite.query<Record<string, unknown>, []>("PRAGMA quick_check(20)").all());
    return rows.map((row) => String(Object.values(row)[0])).join("; ");
  }

  close(): void {
    for (const statement of this.#statements.values()) statement.finalize();
    this.#statements.clear();
    this.#sqlite.close();
  }

  /** A failed COMMIT may or may not have ended the transaction: ask SQLite. If even ROLLBACK fails, the first error is the one to report. */
  #rollBack(): void {
    try {
      if (this.#sqlite.inTransaction) this.#sqlite.run("ROLLBACK");
    } catch {
      return;
    }
  }

  #statement(sql: string): Statement {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    if (this.#statements.size >= STATEMENTS_MAX) this.#evictOldest();
    const statement = this.#sqlite.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }

  #evictOldest(): void {
    for (const [sql, statement] of this.#statements) {
      statement.finalize();
      this.#statements.delete(sql);
      return;
    }
  }

  #guard<T>(op: string, body: () => T): T {
    try {
      return body();
    } catch (error) {
      throw sqliteFault(op, `use ${this.#name}`, error);
    }
  }
}

/** Mode 0600 from the first instant, the directory entry on the platter; WAL and shm files take the same mode from SQLite. */
function createPrivately(op: string, path: string, mustBeNew = false): void {
  try {
    if (!mustBeNew && lstatSync(path).isFile()) return;
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw fileFault(op, `open ${path}`, error);
  }
  try {
    closeSync(openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600));
  } catch (error) {
    throw fileFault(op, `create ${path}`, error);
  }
  syncPath(op, dirname(path));
}

function assertThere(op: string, path: string): void {
  try {
    if (lstatSync(path).isFile()) return;
  } catch (error) {
    throw fileFault(op, `open ${path}`, error);
  }
  throw new Fault("file_not_regular", `Cannot open ${path}: it is not a regular file`, { facts: { op } });
}

function syncPath(op: string, path: string): void {
  try {
    const fd = openSync(path, constants.O_RDONLY);
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw fileFault(op, `sync ${path}`, error);
  }
}
