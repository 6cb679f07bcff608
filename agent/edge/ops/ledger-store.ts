/**
 * The ledger's rows in agent.db. Every function runs inside the caller's transaction and is durable when that returns (FULL). A row
 * carries a checksum over all that decides whether an op may run, the single `ledger` row one over the counts: SQLite has none
 * itself, and a flipped bit in an id or a nonce must not turn a played op into a new one.
 */
import { sha256HexOfText } from "../../../shared/core/sha256.ts";
import { OP_LOG_START, type OpLogHead } from "../../../shared/ops/op-log.ts";
import type { Database } from "../../../shared/ports/databases.ts";
import type { OpStateName } from "../../core/ops/life.ts";
import type { LedgerSeen } from "../../core/ops/ledger-standing.ts";

/** Pruned per admission at most: a box that was asleep for a month must not stop for it. */
const PRUNED_MAX = 200;
/** Entries of the log that are kept on the box; the hub has all of them. */
export const LOG_ENTRIES_KEPT = 20_000;

export interface Ledger {
  readonly generation: number;
  readonly rows: number;
  /** The largest signed time that an op brought. */
  readonly floorMs: number;
  /** What was issued up to here is refused: a recovery said so. */
  readonly fromMs: number;
  readonly incident: LedgerSeen["incident"];
}

export const NO_LEDGER: Ledger = { generation: 0, rows: 0, floorMs: 0, fromMs: 0, incident: undefined };

export interface OpRow {
  readonly id: string;
  readonly nonce: string;
  readonly generation: number;
  readonly kind: string;
  readonly sha256: string;
  /** Until it is over. */
  readonly envelope: string | null;
  readonly carrier: string;
  readonly signers: string;
  readonly state: OpStateName;
  readonly resumes: number;
  readonly parts: number;
  readonly admitted_ms: number;
  readonly expires_ms: number;
  readonly started_ms: number | null;
  readonly pid: number | null;
  readonly pid_start: number | null;
  readonly boot_id: string | null;
}

interface LedgerRow {
  readonly generation: number;
  readonly rows: number;
  readonly floor_ms: number;
  readonly from_ms: number;
  readonly incident_is: string | null;
  readonly incident: string | null;
  readonly checksum: string;
}

/** `damaged`: the row is there and does not fit its checksum, or ops are there and it is not. */
export function readLedger(database: Database): Ledger | "damaged" {
  const row = database.get<LedgerRow>("ledger.read", "SELECT generation, rows, floor_ms, from_ms, incident_is, incident, checksum FROM ledger WHERE id = 1");
  if (row === undefined) return countRows(database) === 0 ? NO_LEDGER : "damaged";
  const ledger: Ledger = {
    generation: row.generation,
    rows: row.rows,
    floorMs: row.floor_ms,
    fromMs: row.from_ms,
    incident: row.incident === null ? undefined : { is: row.incident_is === "behind" ? "behind" : "damaged", id: row.incident },
  };
  return row.checksum === ledgerChecksum(ledger) ? ledger : "damaged";
}

export function writeLedger(database: Database, ledger: Ledger): void {
  const { generation, rows, floorMs, fromMs, incident } = ledger;
  database.run(
    "ledger.write",
    "INSERT OR REPLACE INTO ledger (id, generation, rows, floor_ms, from_ms, incident_is, incident, checksum) VALUES (1, ?, ?, ?, ?, ?, ?, ?)",
    generation,
    rows,
    floorMs,
    fromMs,
    incident?.is ?? null,
    incident?.id ?? null,
    ledgerChecksum(ledger),
  );
}

function ledgerChecksum({ generation, rows, floorMs, fromMs, incident }: Ledger): string {
  return sha256HexOfText(JSON.stringify(["ledger", generation, rows, floorMs, fromMs, incident?.is ?? null, incident?.id ?? null]));
}

function opChecksum(row: Pick<OpRow, "id" | "nonce" | "generation" | "kind" | "sha256" | "expires_ms" | "state" | "resumes">): string {
  return sha256HexOfText(JSON.stringify(["op", row.id, row.nonce, row.generation, row.kind, row.sha256, row.expires_ms, row.state, row.resumes]));
}

export function countRows(database: Database): number {
  return database.get<{ rows: number }>("ledger.count", "SELECT count(*) AS rows FROM op NOT INDEXED")?.rows ?? 0;
}

export function hasSeen(database: Database, id: string, nonce: string): boolean {
  return database.get("ledger.seen", "SELECT 1 AS seen FROM op WHERE id = ? OR nonce = ?", id, nonce) !== undefined;
}

const COLUMNS =
  "id, nonce, generation, kind, sha256, envelope, carrier, signers, state, resumes, parts, admitted_ms, expires_ms, started_ms, pid, pid_start, boot_id, checksum";
type StoredRow = OpRow & { readonly checksum: string };

/** All that is not over, oldest first. */
export function activeRows(database: Database): readonly OpRow[] {
  return database.all<StoredRow>("ledger.active", `SELECT ${COLUMNS} FROM op WHERE state IN ('admitted', 'running') ORDER BY generation`);
}

export function readOp(database: Database, id: string): OpRow | undefined {
  return database.get<StoredRow>("ledger.op", `SELECT ${COLUMNS} FROM op WHERE id = ?`, id);
}

/** Adds one op. The caller writes the ledger row that this gives. */
export function insertOp(
  database: Database,
  ledger: Ledger,
  row: Omit<OpRow, "generation" | "parts" | "resumes" | "pid" | "pid_start" | "boot_id">,
  floorMs: number,
): Ledger {
  const generation = ledger.generation + 1;
  const pruned = database.run(
    "ledger.prune",
    "DELETE FROM op WHERE id IN (SELECT id FROM op WHERE expires_ms <= ? AND state NOT IN ('admitted', 'running') ORDER BY expires_ms LIMIT ?)",
    floorMs,
    PRUNED_MAX,
  ).changes;
  database.run(
    "ledger.insert",
    "INSERT INTO op (id, nonce, generation, kind, sha256, envelope, carrier, signers, state, admitted_ms, started_ms, expires_ms, checksum) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    row.id,
    row.nonce,
    generation,
    row.kind,
    row.sha256,
    row.envelope,
    row.carrier,
    row.signers,
    row.state,
    row.admitted_ms,
    row.started_ms,
    row.expires_ms,
    opChecksum({ ...row, generation, resumes: 0 }),
  );
  return { ...ledger, generation, rows: ledger.rows + 1 - pruned, floorMs: Math.max(ledger.floorMs, floorMs) };
}

export interface OpChange {
  readonly state: OpStateName;
  readonly resumes: number;
  readonly nowMs: number;
  readonly code?: string | undefined;
}

/** The next state of a row, with its checksum. What is over forgets its envelope. Says whether the row was there. */
export function changeOp(database: Database, id: string, { state, resumes, nowMs, code }: OpChange): boolean {
  const row = readOp(database, id);
  if (row === undefined) return false;
  const checksum = opChecksum({ ...row, state, resumes });
  if (state === "running")
    database.run(
      "ledger.start",
      "UPDATE op SET state = ?, resumes = ?, started_ms = ?, pid = NULL, pid_start = NULL, boot_id = NULL, checksum = ? WHERE id = ?",
      state,
      resumes,
      nowMs,
      checksum,
      id,
    );
  else if (state === "admitted")
    database.run("ledger.requeue", "UPDATE op SET state = ?, resumes = ?, pid = NULL, checksum = ? WHERE id = ?", state, resumes, checksum, id);
  else
    database.run(
      "ledger.end",
      "UPDATE op SET state = ?, ended_ms = ?, code = ?, envelope = NULL, checksum = ? WHERE id = ?",
      state,
      nowMs,
      code ?? null,
      checksum,
      id,
    );
  return true;
}

/** The final return as it was sent, for a hub that lost it and offers the op again. */
export function keepAnswer(database: Database, id: string, answer: string): void {
  database.run("ledger.answer", "UPDATE op SET answer = ? WHERE id = ?", answer, id);
}

export function answerOf(database: Database, id: string): string | undefined {
  return database.get<{ answer: string | null }>("ledger.answer", "SELECT answer FROM op WHERE id = ?", id)?.answer ?? undefined;
}

export interface ProcessMark {
  readonly pid: number;
  readonly pidStart: number;
  readonly bootId: string;
}

/** Which process it is, durable before that process does anything. */
export function markProcess(database: Database, id: string, { pid, pidStart, bootId }: ProcessMark): void {
  database.run("ledger.process", "UPDATE op SET pid = ?, pid_start = ?, boot_id = ? WHERE id = ?", pid, pidStart, bootId, id);
}

export function takePart(database: Database, id: string): number {
  const part = readOp(database, id)?.parts ?? 0;
  database.run("ledger.part", "UPDATE op SET parts = parts + 1 WHERE id = ?", id);
  return part;
}

/** Reads everything without trusting an index, then holds the indexes to it. What does not fit is removed: it can't be believed either way. */
export function inspect(database: Database): { readonly ledger: Ledger | "damaged"; readonly bad: readonly number[] } {
  const ledger = readLedger(database);
  const rows = database.all<StoredRow & { readonly rowid: number }>("ledger.inspect", `SELECT rowid, ${COLUMNS} FROM op NOT INDEXED`);
  const bad = rows.filter((row) => row.checksum !== opChecksum(row) || !isFound(database, row)).map(({ rowid }) => rowid);
  const isWhole = ledger !== "damaged" && ledger.rows === rows.length && rows.every(({ generation }) => generation <= ledger.generation);
  return { ledger: isWhole ? ledger : "damaged", bad };
}

function isFound(database: Database, row: StoredRow): boolean {
  const byId = database.get<{ generation: number }>("ledger.inspect", "SELECT generation FROM op WHERE id = ?", row.id);
  const byNonce = database.get<{ generation: number }>("ledger.inspect", "SELECT generation FROM op WHERE nonce = ?", row.nonce);
  return byId?.generation === row.generation && byNonce?.generation === row.generation;
}

/** After an incident was written down: what is left is consistent again. */
export function repair(database: Database, bad: readonly number[]): number {
  for (const rowid of bad) database.run("ledger.repair", "DELETE FROM op WHERE rowid = ?", rowid);
  database.run("ledger.repair", "REINDEX op");
  return countRows(database);
}

// --- the log -------------------------------------------------------------------------------------------------------------------

export function logHead(database: Database): OpLogHead {
  return database.get<OpLogHead>("oplog.head", "SELECT seq, hash FROM op_log ORDER BY seq DESC LIMIT 1") ?? OP_LOG_START;
}

/** Whether the log holds this op, or no longer goes back to its own beginning. Rows are pruned below the time floor; entries are kept longer. */
export function mayBeLogged(database: Database, id: string): boolean {
  const first = database.get<{ seq: number }>("oplog.first", "SELECT min(seq) AS seq FROM op_log")?.seq ?? 1;
  return first > 1 || database.get("oplog.find", "SELECT 1 AS found FROM op_log WHERE instr(entry, ?) > 0 LIMIT 1", `"op":"${id}"`) !== undefined;
}

export function appendLog(database: Database, text: string, head: OpLogHead): void {
  database.run("oplog.append", "INSERT INTO op_log (seq, entry, hash) VALUES (?, ?, ?)", head.seq, text, head.hash);
  database.run("oplog.prune", "DELETE FROM op_log WHERE seq <= ?", head.seq - LOG_ENTRIES_KEPT);
}
