/**
 * SQLite as felhom uses it. Opening asserts WAL, `synchronous=FULL` and `foreign_keys=ON` and fails when one does not hold.
 * A returned `transaction` is on the platter. Statements carry an operation name like files do. Calls are synchronous and short.
 * Throws `Fault`: `db_damaged`, `db_full`, `db_busy`, `db_newer` (schema from a later version), `db_failed`.
 */
export interface Databases {
  open(op: string, path: string, options: { readonly migrations: readonly Migration[]; readonly readonly?: boolean }): Database;
}

export interface Migration {
  /** 1, 2, 3 … without gaps. Each runs in one transaction together with its row in `schema_version`. */
  readonly version: number;
  readonly name: string;
  readonly statements: readonly string[];
}

export type SqlValue = string | number | bigint | Uint8Array | null;
export type Row = Readonly<Record<string, SqlValue>>;

export interface Database {
  all<T = Row>(op: string, sql: string, ...params: readonly SqlValue[]): readonly T[];
  get<T = Row>(op: string, sql: string, ...params: readonly SqlValue[]): T | undefined;
  /** Inside a transaction, or a transaction of its own. */
  run(op: string, sql: string, ...params: readonly SqlValue[]): { readonly changes: number; readonly lastId: number };
  /** BEGIN IMMEDIATE … COMMIT; rolls back when `body` throws. Not nested. */
  transaction<T>(op: string, body: () => T): T;
  /** A consistent copy at `path` (VACUUM INTO), fsynced. */
  copyTo(op: string, path: string): void;
  /** `ok`, or what `PRAGMA quick_check` says. */
  check(op: string): string;
  close(): void;
}
