/**
 * Copies of ops that are to go over NATS: written in the transaction that gives the op to the host, removed when the bus has them. A copy
 * that is lost costs nothing but time: the sync offers the op until the box has answered.
 */
import type { Database } from "../../../shared/ports/databases.ts";

export const NATS_TABLES = [
  `CREATE TABLE nats_outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    op_seq INTEGER NOT NULL,
    host_id TEXT NOT NULL,
    created_at INTEGER NOT NULL
  ) STRICT`,
] as const;

export interface Copy {
  readonly id: number;
  readonly op_seq: number;
  readonly host_id: string;
}

export function insertCopy(db: Database, copy: { readonly op_seq: number; readonly host_id: string; readonly created_at: number }): void {
  db.run("nats.copy", "INSERT INTO nats_outbox (op_seq, host_id, created_at) VALUES (?, ?, ?)", copy.op_seq, copy.host_id, copy.created_at);
}

export function copiesAfter(db: Database, id: number, limit: number): readonly Copy[] {
  return db.all<Copy>("nats.copies", "SELECT id, op_seq, host_id FROM nats_outbox WHERE id > ? ORDER BY id LIMIT ?", id, limit);
}

export function removeCopies(db: Database, upToId: number): void {
  db.run("nats.copied", "DELETE FROM nats_outbox WHERE id <= ?", upToId);
}

/** Ids grow with time, so the rows to go are the first ones. Returns how many. */
export function removeCopiesBefore(db: Database, createdBefore: number): number {
  return db.run("nats.stale", "DELETE FROM nats_outbox WHERE created_at < ?", createdBefore).changes;
}
