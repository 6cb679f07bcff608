/**
 * Which hosts should answer an op, and how each stands. A row is written when the op is accepted and never added later. What is
 * not final is found by two partial indexes: by host (what is to be delivered) and by op (what is due).
 */
import type { AnsweredTarget, Target } from "../../core/ops/target-state.ts";
import { isOpenTarget } from "../../core/ops/target-state.ts";
import type { Database } from "../../../shared/ports/databases.ts";
import type { TargetState } from "../../../shared/protocol/api/ops.ts";

export interface TargetRow {
  readonly op_seq: number;
  readonly host_id: string;
  readonly batch: number;
  readonly state: TargetState;
  readonly since: number;
  readonly code: string | null;
  readonly answered: number;
  readonly late: AnsweredTarget | null;
}

const COLUMNS = "op_seq, host_id, batch, state, since, code, answered, late";

export const targetOf = (row: TargetRow): Target => ({ at: row.state, sinceMs: row.since, code: row.code, answered: row.answered === 1, late: row.late });

export interface NewTarget {
  readonly host_id: string;
  readonly batch: number;
  readonly state: TargetState;
}

/** Inside a transaction. */
export function insertTargets(db: Database, opSeq: number, targets: readonly NewTarget[], nowMs: number): void {
  db.run(
    "op-targets.insert",
    `INSERT INTO op_targets (op_seq, host_id, batch, state, is_open, since)
     SELECT ?, value ->> '$.host_id', value ->> '$.batch', value ->> '$.state', 1, ? FROM json_each(?)`,
    opSeq,
    nowMs,
    JSON.stringify(targets),
  );
}

export function findTarget(db: Database, opSeq: number, hostId: string): TargetRow | undefined {
  return db.get<TargetRow>("op-targets.find", `SELECT ${COLUMNS} FROM op_targets WHERE op_seq = ? AND host_id = ?`, opSeq, hostId);
}

/** Inside a transaction. */
export function storeTarget(db: Database, opSeq: number, hostId: string, target: Target): void {
  db.run(
    "op-targets.turn",
    "UPDATE op_targets SET state = ?, is_open = ?, since = ?, code = ?, answered = ?, late = ? WHERE op_seq = ? AND host_id = ?",
    target.at,
    isOpenTarget(target.at) ? 1 : 0,
    target.sinceMs,
    target.code,
    target.answered ? 1 : 0,
    target.late,
    opSeq,
    hostId,
  );
}

/** Open ones of one op in these states, in any order; of one batch, or of all. */
export function openTargets(db: Database, opSeq: number, states: readonly TargetState[], batch: number | undefined, limit: number): readonly TargetRow[] {
  return db.all<TargetRow>(
    "op-targets.open",
    `SELECT ${COLUMNS} FROM op_targets WHERE op_seq = ?1 AND is_open = 1 AND state IN (SELECT value FROM json_each(?2)) AND (?3 IS NULL OR batch = ?3) LIMIT ?4`,
    opSeq,
    JSON.stringify(states),
    batch ?? null,
    limit,
  );
}

/** How many of a batch are open, and how many ended other than well. */
export function countBatch(db: Database, opSeq: number, batch: number): { readonly open: number; readonly bad: number } {
  const counted = db.get<{ open: number; bad: number }>(
    "op-targets.batch",
    "SELECT coalesce(sum(is_open), 0) AS open, coalesce(sum(is_open = 0 AND state <> 'returned'), 0) AS bad FROM op_targets WHERE op_seq = ? AND batch = ?",
    opSeq,
    batch,
  );
  return counted ?? { open: 0, bad: 0 };
}

export function countStates(db: Database, opSeq: number): readonly { readonly state: TargetState; readonly count: number }[] {
  return db.all("op-targets.count", "SELECT state, count(*) AS count FROM op_targets WHERE op_seq = ? GROUP BY state", opSeq);
}

export interface OpenTargetRow {
  readonly op_seq: number;
  readonly op_id: string;
  readonly host_id: string;
  readonly state: TargetState;
  readonly cancelled_by: string | null;
}

/** What every host may still be given or asked back, in order of host: read once at start. */
export function openTargetsAfter(db: Database, hostId: string, opSeq: number, limit: number): readonly OpenTargetRow[] {
  return db.all<OpenTargetRow>(
    "op-targets.load",
    `SELECT t.op_seq, o.op_id, t.host_id, t.state, o.cancelled_by FROM op_targets AS t INDEXED BY op_targets_of_host JOIN ops AS o ON o.op_seq = t.op_seq
     WHERE t.is_open = 1 AND (t.host_id, t.op_seq) > (?, ?) ORDER BY t.host_id, t.op_seq LIMIT ?`,
    hostId,
    opSeq,
    limit,
  );
}

export interface ListedTarget extends TargetRow {
  readonly name: string | null;
  readonly last_seen_at: number | null;
}

/** By host id. */
export function listTargets(
  db: Database,
  opSeq: number,
  afterHostId: string,
  states: readonly TargetState[] | undefined,
  limit: number,
): readonly ListedTarget[] {
  return db.all<ListedTarget>(
    "op-targets.list",
    `SELECT t.op_seq, t.host_id, t.batch, t.state, t.since, t.code, t.answered, t.late, h.name, h.last_seen_at FROM op_targets AS t LEFT JOIN hosts AS h ON h.host_id = t.host_id
     WHERE t.op_seq = ? AND t.host_id > ? AND (? IS NULL OR t.state IN (SELECT value FROM json_each(?))) ORDER BY t.host_id LIMIT ?`,
    opSeq,
    afterHostId,
    states === undefined ? null : 1,
    JSON.stringify(states ?? []),
    limit,
  );
}
