/**
 * What hosts answered, one row per signed record, as it came. The hub reads a record for its own bookkeeping; whoever asks gets the
 * envelope and verifies it. A record that comes twice is one row. A record of an op that this hub does not know is kept as well: the
 * op may have come to the box on another way, and may still be uploaded.
 */
import type { Database } from "../../../shared/ports/databases.ts";
import type { ReturnPayload } from "../../../shared/trust/payloads.ts";

/**
 * The op before the host: a fleet answers one op at a time, so what comes together lies together. With the host first, each of a
 * thousand answers wrote a page of its own, anywhere in an index as large as everything that is kept.
 */
export const RETURNS_BY_OP = ["DROP INDEX op_returns_once", "CREATE UNIQUE INDEX op_returns_once ON op_returns (op_id, host_id, part, digest)"] as const;

export interface ReturnRow {
  readonly op_id: string;
  readonly host_id: string;
  readonly part: number;
  readonly state: ReturnPayload["state"];
  readonly received_at: number;
  /** The hub's own look at the signature. Unverified ones change nothing. */
  readonly verified: number;
  /** 0: its op is not here. */
  readonly is_known: number;
  /** Beginning of the first signature: the same record has the same. */
  readonly digest: string;
  readonly envelope: string;
}

/** Inside a transaction. False when it is there already. */
export function insertReturn(db: Database, row: ReturnRow): boolean {
  return (
    db.run(
      "op-returns.insert",
      "INSERT OR IGNORE INTO op_returns (op_id, host_id, part, state, received_at, verified, is_known, digest, envelope) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
      row.op_id,
      row.host_id,
      row.part,
      row.state,
      row.received_at,
      row.verified,
      row.is_known,
      row.digest,
      row.envelope,
    ).changes > 0
  );
}

export type ListedReturn = Pick<ReturnRow, "host_id" | "received_at" | "envelope"> & { readonly seq: number };

/** Oldest first. */
export function listReturns(
  db: Database,
  opId: string,
  ask: { readonly afterSeq: number; readonly hostId?: string | undefined; readonly limit: number },
): readonly ListedReturn[] {
  if (ask.hostId !== undefined) {
    return db.all<ListedReturn>(
      "op-returns.list",
      "SELECT seq, host_id, received_at, envelope FROM op_returns INDEXED BY op_returns_once WHERE host_id = ? AND op_id = ? AND seq > ? ORDER BY seq LIMIT ?",
      ask.hostId,
      opId,
      ask.afterSeq,
      ask.limit,
    );
  }
  return db.all<ListedReturn>(
    "op-returns.list",
    "SELECT seq, host_id, received_at, envelope FROM op_returns INDEXED BY op_returns_of_op WHERE op_id = ? AND seq > ? ORDER BY seq LIMIT ?",
    opId,
    ask.afterSeq,
    ask.limit,
  );
}

export type KnownReturn = Pick<ReturnRow, "host_id" | "envelope">;

/** Verified final records of an op that came before the op itself: a page, by sequence. */
export function finalReturns(db: Database, opId: string, afterSeq: number, limit: number): readonly (KnownReturn & { readonly seq: number })[] {
  return db.all(
    "op-returns.final",
    "SELECT seq, host_id, envelope FROM op_returns INDEXED BY op_returns_of_op WHERE op_id = ? AND seq > ? AND verified = 1 ORDER BY seq LIMIT ?",
    opId,
    afterSeq,
    limit,
  );
}

/** Inside a transaction: the op they answer has come. */
export function markReturnsKnown(db: Database, opId: string): void {
  db.run("op-returns.known", "UPDATE op_returns SET is_known = 1 WHERE op_id = ? AND is_known = 0", opId);
}

/** Inside a transaction: of the records of one host whose op is not here, only the newest stay. */
export function boundUnknownReturns(db: Database, hostId: string, keep: number): void {
  db.run(
    "op-returns.bound",
    `DELETE FROM op_returns WHERE seq IN (
       SELECT seq FROM op_returns INDEXED BY op_returns_unknown WHERE host_id = ? AND is_known = 0 ORDER BY received_at DESC, seq DESC LIMIT 100 OFFSET ?)`,
    hostId,
    keep,
  );
}
