/**
 * The hub's copy of each host's log of ops, line by line as the host wrote it. Lines chain by hash, which the operator's tools follow;
 * the hub keeps what it gets: two different lines with one number are both kept, because that is what a put-back disk looks like.
 */
import type { Database } from "../../../shared/ports/databases.ts";

export interface OpLogRow {
  readonly host_id: string;
  /** The box's own number; 0 when the line has none that can be read. */
  readonly seq: number;
  readonly sha256: string;
  readonly received_at: number;
  readonly entry: string;
}

/** Inside a transaction. A line that is there already stays. */
export function insertOpLog(db: Database, row: OpLogRow): void {
  db.run(
    "op-log.insert",
    "INSERT OR IGNORE INTO op_log (host_id, seq, sha256, received_at, entry) VALUES (?, ?, ?, ?, ?)",
    row.host_id,
    row.seq,
    row.sha256,
    row.received_at,
    row.entry,
  );
}

/** Oldest first. */
export function listOpLog(db: Database, hostId: string, after: { readonly seq: number; readonly sha256: string }, limit: number): readonly OpLogRow[] {
  return db.all<OpLogRow>(
    "op-log.list",
    "SELECT host_id, seq, sha256, received_at, entry FROM op_log WHERE host_id = ? AND (seq, sha256) > (?, ?) ORDER BY seq, sha256 LIMIT ?",
    hostId,
    after.seq,
    after.sha256,
    limit,
  );
}
