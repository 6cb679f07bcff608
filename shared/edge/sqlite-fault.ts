import { Fault } from "../core/fault.ts";
import type { FaultCode } from "../core/fault-code.ts";
import { errnoOf } from "./errno.ts";

const CODES: readonly (readonly [string, FaultCode])[] = [
  ["SQLITE_CORRUPT", "db_damaged"],
  ["SQLITE_NOTADB", "db_damaged"],
  ["SQLITE_FULL", "db_full"],
  ["SQLITE_BUSY", "db_busy"],
  ["SQLITE_LOCKED", "db_busy"],
  ["SQLITE_IOERR", "disk_failed"],
];

/** SQLite's extended code is in `facts.sqlite` (e.g. `SQLITE_CONSTRAINT_UNIQUE`), so that a store can tell a conflict from a defect. */
export function sqliteFault(op: string, action: string, error: unknown): Error {
  if (error instanceof Fault || !isSqliteError(error)) return error instanceof Error ? error : new Error(String(error));
  const sqlite = errnoOf(error) ?? "SQLITE_ERROR";
  const code = CODES.find(([prefix]) => sqlite.startsWith(prefix))?.[1] ?? "db_failed";
  return new Fault(code, `Cannot ${action}: ${sqlite}`, { facts: { op, sqlite }, cause: error });
}

function isSqliteError(error: unknown): boolean {
  return (
    error instanceof Error && (error.name === "SQLiteError" || error.message.includes("closed database") || errnoOf(error)?.startsWith("SQLITE_") === true)
  );
}
