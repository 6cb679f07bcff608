import type { Database } from "../../ports/databases.ts";

/** A database is there from its first open, its tables from its first migration. */
export function hasTable(database: Database | undefined, table: string): boolean {
  return database?.get("check", "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", table) !== undefined;
}
