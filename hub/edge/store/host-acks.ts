/**
 * How far each host's outbox is durable here. Written with every batch that a box sends, so it has a table of its own: in the host's
 * row, which holds its documents, a thousand acknowledgements would be a thousand pages.
 */
import type { Database } from "../../../shared/ports/databases.ts";

export const HOST_ACK_TABLES = [
  "CREATE TABLE host_acks (host_id TEXT PRIMARY KEY, acked_seq INTEGER NOT NULL) STRICT, WITHOUT ROWID",
  "INSERT INTO host_acks (host_id, acked_seq) SELECT host_id, acked_seq FROM hosts WHERE acked_seq > 0",
  "ALTER TABLE hosts DROP COLUMN acked_seq",
] as const;

/** Inside a transaction. */
export function storeAckedSeq(db: Database, hostId: string, ackedSeq: number): void {
  db.run(
    "hosts.ack",
    "INSERT INTO host_acks (host_id, acked_seq) VALUES (?, ?) ON CONFLICT (host_id) DO UPDATE SET acked_seq = excluded.acked_seq",
    hostId,
    ackedSeq,
  );
}
