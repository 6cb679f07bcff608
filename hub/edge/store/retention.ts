/** One bounded sweep per kind of thing: each statement removes at most `PRUNE_ROWS_MAX` rows, so that no sync waits behind one. */
import type { Keep } from "../../core/retention/policy.ts";
import type { Database } from "../../../shared/ports/databases.ts";
import { pruneAudit } from "./audit.ts";
import type { EventKind } from "./events.ts";

export const PRUNE_ROWS_MAX = 2_000;

export function pruneEvents(db: Database, kind: EventKind, keep: Keep, nowMs: number): number {
  return db.run(
    "events.prune",
    `DELETE FROM events WHERE seq IN (
       SELECT seq FROM events
       WHERE kind = ?1
         AND seq <= coalesce((SELECT seq FROM events WHERE kind = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2), 0)
         AND (at < ?3 OR seq <= coalesce((SELECT seq FROM events WHERE kind = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?4), 0))
       ORDER BY seq LIMIT ?5)`,
    kind,
    keep.rowsMin,
    nowMs - keep.ageMs,
    keep.rowsMax,
    PRUNE_ROWS_MAX,
  ).changes;
}

/** Rows are removed from the old end only, so the chain stays whole from its anchor on. */
export function pruneOldAudit(db: Database, keep: Keep, nowMs: number): number {
  const bounds = db.get<{ low: number | null; high: number | null }>("audit.bounds", "SELECT min(seq) AS low, max(seq) AS high FROM audit");
  if (bounds === undefined || bounds.low === null || bounds.high === null) return 0;
  const spared = bounds.high - keep.rowsMin;
  const tooMany = bounds.high - keep.rowsMax;
  const fresh = db.get<{ seq: number }>("audit.fresh", "SELECT seq FROM audit WHERE seq >= ? AND at >= ? ORDER BY seq LIMIT 1", bounds.low, nowMs - keep.ageMs);
  const old = fresh === undefined ? bounds.high : fresh.seq - 1;
  const upto = Math.min(spared, Math.max(old, tooMany), bounds.low + PRUNE_ROWS_MAX - 1);
  return upto < bounds.low ? 0 : pruneAudit(db, upto);
}

/** `inForce` is every version that a host enforces or was last told of; those, the newest `rowsMin` and the current one stay. */
export function pruneBundles(db: Database, keep: Keep, inForce: readonly number[], nowMs: number): number {
  return db.run(
    "bundles.prune",
    `DELETE FROM bundles WHERE version IN (
       SELECT version FROM bundles
       WHERE version NOT IN (SELECT value FROM json_each(?1))
         AND version <= coalesce((SELECT version FROM bundles ORDER BY version DESC LIMIT 1 OFFSET ?2), 0)
         AND (received_at < ?3 OR version <= coalesce((SELECT version FROM bundles ORDER BY version DESC LIMIT 1 OFFSET ?4), 0))
       ORDER BY version LIMIT ?5)`,
    JSON.stringify(inForce),
    keep.rowsMin,
    nowMs - keep.ageMs,
    keep.rowsMax,
    PRUNE_ROWS_MAX,
  ).changes;
}

/** Versions that some host holds, or that its newest report enforces or refuses. */
export function bundlesInForce(db: Database): readonly number[] {
  return db
    .all<{ version: number }>(
      "bundles.in-force",
      `SELECT have_bundle AS version FROM hosts
       UNION SELECT summary ->> '$.bundle' FROM newest_reports WHERE kind = 'report' AND summary ->> '$.bundle' IS NOT NULL
       UNION SELECT summary ->> '$.refused.bundle' FROM newest_reports WHERE kind = 'report' AND summary ->> '$.refused.bundle' IS NOT NULL`,
    )
    .map((row) => row.version);
}

/**
 * Ops that are over, the longest ago first. A large one goes in pieces: its returns, its targets, and last its own row, by which what
 * a crash left is found again. Looks at the index of what is over only.
 */
export function pruneOps(db: Database, keep: Keep, nowMs: number): number {
  const nth = (offset: number): number =>
    db.get<{ finished_at: number }>(
      "ops.prune-bound",
      "SELECT finished_at FROM ops INDEXED BY ops_finished WHERE is_open = 0 ORDER BY finished_at DESC LIMIT 1 OFFSET ?",
      offset,
    )?.finished_at ?? -1;
  const upto = Math.min(nth(keep.rowsMin), Math.max(nowMs - keep.ageMs, nth(keep.rowsMax)));
  let gone = 0;
  while (gone < PRUNE_ROWS_MAX) {
    const old = db.get<{ op_seq: number; op_id: string }>(
      "ops.prune-find",
      "SELECT op_seq, op_id FROM ops INDEXED BY ops_finished WHERE is_open = 0 AND finished_at <= ? ORDER BY finished_at LIMIT 1",
      upto,
    );
    if (old === undefined) break;
    gone += pruneOneOp(db, old.op_seq, old.op_id);
  }
  return gone;
}

function pruneOneOp(db: Database, opSeq: number, opId: string): number {
  const returns = db.run(
    "ops.prune",
    "DELETE FROM op_returns WHERE seq IN (SELECT seq FROM op_returns INDEXED BY op_returns_of_op WHERE op_id = ? LIMIT ?)",
    opId,
    PRUNE_ROWS_MAX,
  ).changes;
  if (returns === PRUNE_ROWS_MAX) return returns;
  const targets = db.run(
    "ops.prune",
    "DELETE FROM op_targets WHERE op_seq = ?1 AND host_id IN (SELECT host_id FROM op_targets WHERE op_seq = ?1 ORDER BY host_id LIMIT ?2)",
    opSeq,
    PRUNE_ROWS_MAX,
  ).changes;
  if (targets === PRUNE_ROWS_MAX) return returns + targets;
  db.run("ops.prune", "DELETE FROM op_envelopes WHERE op_seq = ?", opSeq);
  return returns + targets + db.run("ops.prune", "DELETE FROM ops WHERE op_seq = ?", opSeq).changes;
}

/** Answers whose op never came here. */
export function pruneUnknownReturns(db: Database, beforeMs: number): number {
  return db.run(
    "op-returns.prune",
    "DELETE FROM op_returns WHERE seq IN (SELECT seq FROM op_returns INDEXED BY op_returns_unknown WHERE is_known = 0 AND received_at < ? LIMIT ?)",
    beforeMs,
    PRUNE_ROWS_MAX,
  ).changes;
}

export function pruneOpLog(db: Database, beforeMs: number): number {
  return db.run(
    "op-log.prune",
    "DELETE FROM op_log WHERE (host_id, seq, sha256) IN (SELECT host_id, seq, sha256 FROM op_log INDEXED BY op_log_by_age WHERE received_at < ? LIMIT ?)",
    beforeMs,
    PRUNE_ROWS_MAX,
  ).changes;
}
