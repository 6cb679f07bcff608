/**
 * Ops: one row each for what changes, the signed envelope apart. An op is open until its last host ended; only open ones are in the
 * indexes that the hub works from. `job` is the pure state of hub/core/ops/job.ts as JSON, null while signatures are collected.
 */
import type { Job } from "../../core/ops/job.ts";
import type { OpClass } from "../../../shared/ops/op-kind.ts";
import type { Database, SqlValue } from "../../../shared/ports/databases.ts";
import type { OpState } from "../../../shared/protocol/api/ops.ts";

export interface OpRow {
  readonly op_seq: number;
  readonly op_id: string;
  readonly kind: string;
  readonly class: OpClass;
  readonly state: OpState;
  readonly is_open: number;
  /** Of the payload. */
  readonly sha256: string;
  /** Equal for ops that are aimed the same. */
  readonly target_key: string;
  readonly drafted_by: string;
  readonly note: string | null;
  readonly created_at: number;
  /** When its last needed signature came; null before. */
  readonly accepted_at: number | null;
  readonly expires_at: number;
  /** `pacing` as JSON. */
  readonly pacing: string | null;
  readonly cancelled_by: string | null;
  readonly job: string | null;
  readonly total: number;
  /** Null when it is over. */
  readonly due_at: number | null;
  readonly finished_at: number | null;
}

export type NewOpRow = Pick<
  OpRow,
  "op_id" | "kind" | "class" | "state" | "sha256" | "target_key" | "drafted_by" | "note" | "created_at" | "expires_at" | "pacing" | "due_at"
> & {
  readonly envelope: string;
};

const COLUMNS =
  "op_seq, op_id, kind, class, state, is_open, sha256, target_key, drafted_by, note, created_at, accepted_at, expires_at, pacing, cancelled_by, job, total, due_at, finished_at";

/** Inside a transaction. Gives its sequence. */
export function insertOp(db: Database, op: NewOpRow): number {
  const { lastId } = db.run(
    "ops.insert",
    `INSERT INTO ops (op_id, kind, class, state, is_open, sha256, target_key, drafted_by, note, created_at, expires_at, pacing, total, due_at)
     VALUES (?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?, 0, ?)`,
    op.op_id,
    op.kind,
    op.class,
    op.state,
    op.sha256,
    op.target_key,
    op.drafted_by,
    op.note,
    op.created_at,
    op.expires_at,
    op.pacing,
    op.due_at,
  );
  db.run("ops.insert", "INSERT INTO op_envelopes (op_seq, envelope) VALUES (?, ?)", lastId, op.envelope);
  return lastId;
}

export function findOp(db: Database, opId: string): OpRow | undefined {
  return db.get<OpRow>("ops.find", `SELECT ${COLUMNS} FROM ops WHERE op_id = ?`, opId);
}

/** What never changes of an op. */
export type AnsweredOp = Pick<OpRow, "op_seq" | "op_id" | "kind" | "sha256">;

/** What an answer is held to. */
export function findAnsweredOp(db: Database, opId: string): (AnsweredOp & Pick<OpRow, "is_open">) | undefined {
  return db.get("ops.answered", "SELECT op_seq, op_id, kind, sha256, is_open FROM ops WHERE op_id = ?", opId);
}

export function opBySeq(db: Database, opSeq: number): OpRow | undefined {
  return db.get<OpRow>("ops.find", `SELECT ${COLUMNS} FROM ops WHERE op_seq = ?`, opSeq);
}

export function opEnvelope(db: Database, opSeq: number): string | undefined {
  return db.get<{ envelope: string }>("ops.envelope", "SELECT envelope FROM op_envelopes WHERE op_seq = ?", opSeq)?.envelope;
}

/** Inside a transaction: more signatures on the same bytes. */
export function replaceOpEnvelope(db: Database, opSeq: number, envelope: string, state: OpState): void {
  db.run("ops.sign", "UPDATE op_envelopes SET envelope = ? WHERE op_seq = ?", envelope, opSeq);
  db.run("ops.sign", "UPDATE ops SET state = ? WHERE op_seq = ?", state, opSeq);
}

/** Inside a transaction: it has its hosts. */
export function storeAcceptance(db: Database, opSeq: number, total: number, nowMs: number): void {
  db.run("ops.accept", "UPDATE ops SET accepted_at = ?, total = ? WHERE op_seq = ?", nowMs, total, opSeq);
}

/** Inside a transaction. */
export function storeJob(db: Database, opSeq: number, job: Job, state: OpState, dueAt: number | undefined): void {
  db.run("ops.job", "UPDATE ops SET job = ?, state = ?, due_at = ? WHERE op_seq = ?", JSON.stringify(job), state, dueAt ?? null, opSeq);
}

/** Inside a transaction: out of every index of open ones. */
export function finishOp(db: Database, opSeq: number, state: OpState, nowMs: number): void {
  db.run("ops.finish", "UPDATE ops SET state = ?, is_open = 0, due_at = NULL, finished_at = ? WHERE op_seq = ?", state, nowMs, opSeq);
}

/** Inside a transaction. */
export function storeCancelled(db: Database, opSeq: number, by: string): void {
  db.run("ops.cancel", "UPDATE ops SET cancelled_by = ? WHERE op_seq = ?", by, opSeq);
}

/** Open ones whose time has something to say, the most overdue first. */
export function dueOps(db: Database, nowMs: number, limit: number): readonly number[] {
  return db
    .all<{ op_seq: number }>("ops.due", "SELECT op_seq FROM ops WHERE is_open = 1 AND due_at <= ? ORDER BY due_at LIMIT ?", nowMs, limit)
    .map((row) => row.op_seq);
}

/** Inside a transaction: look at it again then. */
export function postponeOp(db: Database, opSeq: number, dueAt: number): void {
  db.run("ops.postpone", "UPDATE ops SET due_at = ? WHERE op_seq = ? AND is_open = 1", dueAt, opSeq);
}

export function openOps(db: Database, afterSeq: number, limit: number): readonly OpRow[] {
  return db.all<OpRow>("ops.open", `SELECT ${COLUMNS} FROM ops INDEXED BY ops_open WHERE is_open = 1 AND op_seq > ? ORDER BY op_seq LIMIT ?`, afterSeq, limit);
}

/** Open ones of this kind with the same aim, but for this one: what a newer one replaces. */
export function openOpsAimedAlike(db: Database, kind: string, targetKey: string, exceptSeq: number): readonly number[] {
  return db
    .all<{ op_seq: number }>(
      "ops.alike",
      "SELECT op_seq FROM ops WHERE is_open = 1 AND kind = ? AND state IN ('signed', 'delivered', 'running') AND target_key = ? AND op_seq < ?",
      kind,
      targetKey,
      exceptSeq,
    )
    .map((row) => row.op_seq);
}

/** Those of this kind with this aim that wait for signatures. */
export function collectingOpsFor(db: Database, kind: string, targetKey: string): readonly OpRow[] {
  return db.all<OpRow>(
    "ops.collecting",
    `SELECT ${COLUMNS} FROM ops WHERE is_open = 1 AND kind = ? AND state IN ('draft', 'pending') AND target_key = ?`,
    kind,
    targetKey,
  );
}

export const SPEC_APPLIES = ["CREATE INDEX ops_spec_apply ON ops (target_key, op_seq) WHERE kind = 'spec.apply'"] as const;

/** The newest ones that would apply a host's spec, also those that are over. Its own small index: of a million finished ops few are of this kind. */
export function specApplyOpsFor(db: Database, targetKey: string, limit: number): readonly OpRow[] {
  return db.all<OpRow>(
    "ops.spec_apply",
    `SELECT ${COLUMNS} FROM ops INDEXED BY ops_spec_apply WHERE kind = 'spec.apply' AND target_key = ? ORDER BY op_seq DESC LIMIT ?`,
    targetKey,
    limit,
  );
}

export interface OpenCount {
  readonly kind: string;
  readonly state: OpState;
  readonly count: number;
}

/** By kind and state; reads open ones only. */
export function countOpenOps(db: Database): readonly OpenCount[] {
  return db.all<OpenCount>("ops.count", "SELECT kind, state, count(*) AS count FROM ops WHERE is_open = 1 GROUP BY kind, state");
}

export interface OpFilter {
  readonly beforeSeq: number;
  readonly states?: readonly OpState[];
  readonly kind?: string;
  readonly limit: number;
}

export type ListedOp = OpRow & { readonly envelope_chars: number };

/** Newest first. */
export function listOps(db: Database, { beforeSeq, states, kind, limit }: OpFilter): readonly ListedOp[] {
  const where = ["op_seq < ?"];
  const params: SqlValue[] = [beforeSeq];
  if (states !== undefined) {
    where.push("state IN (SELECT value FROM json_each(?))");
    params.push(JSON.stringify(states));
  }
  if (kind !== undefined) {
    where.push("kind = ?");
    params.push(kind);
  }
  return db.all<ListedOp>(
    "ops.list",
    `SELECT ${COLUMNS}, (SELECT length(envelope) FROM op_envelopes AS e WHERE e.op_seq = ops.op_seq) AS envelope_chars
     FROM ops WHERE ${where.join(" AND ")} ORDER BY op_seq DESC LIMIT ?`,
    ...params,
    limit,
  );
}

export const jobOf = (row: Pick<OpRow, "job">): Job | undefined => {
  if (row.job === null) return undefined;
  const job: Job = JSON.parse(row.job);
  return job;
};
