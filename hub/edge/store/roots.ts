/**
 * Root documents in order, from the version 1 that setup took. They are never pruned: a box that slept for years needs the whole chain.
 * The fleet id and the hash of version 1 are kept beside them as the hub's own pin, so that a swapped first row is noticed at load.
 */
import type { Database } from "../../../shared/ports/databases.ts";

export const ROOT_TABLES = [
  "CREATE TABLE roots (version INTEGER PRIMARY KEY, fleet_id TEXT NOT NULL, payload_sha256 TEXT NOT NULL, envelope TEXT NOT NULL, received_at INTEGER NOT NULL) STRICT",
] as const;

export interface RootRow {
  readonly version: number;
  readonly fleet_id: string;
  readonly payload_sha256: string;
  readonly envelope: string;
  readonly received_at: number;
}

export const ROOTS_MAX = 1_000;

/** Inside a transaction. Versions have no gaps: false when this one does not follow the newest. */
export function insertRoot(db: Database, root: RootRow): boolean {
  return (
    db.run(
      "roots.insert",
      "INSERT INTO roots (version, fleet_id, payload_sha256, envelope, received_at) SELECT ?1, ?2, ?3, ?4, ?5 WHERE ?1 = (SELECT coalesce(max(version), 0) + 1 FROM roots)",
      root.version,
      root.fleet_id,
      root.payload_sha256,
      root.envelope,
      root.received_at,
    ).changes > 0
  );
}

/** In order, after a version. */
export function listRoots(db: Database, afterVersion: number, limit: number): readonly RootRow[] {
  return db.all<RootRow>(
    "roots.list",
    "SELECT version, fleet_id, payload_sha256, envelope, received_at FROM roots WHERE version > ? ORDER BY version LIMIT ?",
    afterVersion,
    limit,
  );
}

/** 0 when the hub has no fleet yet. */
export function newestRootVersion(db: Database): number {
  return db.get<{ version: number }>("roots.newest", "SELECT coalesce(max(version), 0) AS version FROM roots")?.version ?? 0;
}
