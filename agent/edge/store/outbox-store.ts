/** The outbox table. Bounds and order are decided in core/outbox; this does what it says. */
import type { Database } from "../../../shared/ports/databases.ts";
import { utf8 } from "../../../shared/core/bytes.ts";
import { fits, isKept, makeRoom, type OutboxKind, type OutboxUse, pickBatch, settleAck } from "../../core/outbox/outbox.ts";
import { readCounter, writeCounter } from "./counters.ts";

export interface QueuedRow {
  readonly seq: number;
  readonly kind: OutboxKind;
  readonly bytes: number;
  readonly body: string;
}

/** Rows are read in slices: an outbox of a week offline is larger than what the resident may hold. */
const SLICE_ROWS = 64;

export interface OutboxLimit {
  readonly bytesMax: number;
  readonly nowMs: number;
}

/** Adds a row in a transaction of its own. Says what was dropped for it, and whether it entered. */
export function enqueue(database: Database, row: NewRow, limit: OutboxLimit): { readonly seq: number | undefined; readonly dropped: number } {
  return database.transaction("outbox.add", () => enqueueWithin(database, row, limit));
}

export interface NewRow {
  readonly kind: OutboxKind;
  readonly body: unknown;
}

/** The same inside the caller's transaction: a row that must be there exactly when something else is. */
export function enqueueWithin(database: Database, row: NewRow, limit: OutboxLimit): { readonly seq: number | undefined; readonly dropped: number } {
  const body = JSON.stringify(row.body);
  const incoming = { kind: row.kind, bytes: utf8(body).byteLength };
  // Facts are a state, not a history: only the newest is worth sending.
  if (row.kind === "facts") database.run("outbox.supersede", "DELETE FROM outbox WHERE kind = 'facts' AND seq > ?", readCounter(database, "sent_seq"));
  const { enters, dropped } = roomFor(database, incoming, limit.bytesMax);
  if (dropped > 0) writeCounter(database, "dropped_rows", readCounter(database, "dropped_rows") + dropped);
  if (!enters) return { seq: undefined, dropped };
  const seq = Math.max(1, readCounter(database, "next_seq"));
  database.run(
    "outbox.insert",
    "INSERT INTO outbox (seq, kind, bytes, body, created_ms) VALUES (?, ?, ?, ?, ?)",
    seq,
    row.kind,
    incoming.bytes,
    body,
    limit.nowMs,
  );
  writeCounter(database, "next_seq", seq + 1);
  return { seq, dropped };
}

type Incoming = { readonly kind: OutboxKind; readonly bytes: number };

/** A result of an op waits for no count of all rows: while the whole file is smaller than what they may fill, there is room. */
function roomFor(database: Database, incoming: Incoming, bytesMax: number): { readonly enters: boolean; readonly dropped: number } {
  if (isKept(incoming.kind) && fileBytes(database) + incoming.bytes <= bytesMax) return { enters: true, dropped: 0 };
  let dropped = 0;
  for (const { drop, bytes } of makeRoom(outboxUse(database), incoming, bytesMax)) dropped += dropOldest(database, drop, bytes);
  const enters = fits(outboxUse(database), incoming, bytesMax);
  return { enters, dropped: enters ? dropped : dropped + 1 };
}

function fileBytes(database: Database): number {
  return (
    database.get<{ bytes: number }>("outbox.file", "SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size")?.bytes ??
    Number.POSITIVE_INFINITY
  );
}

export function outboxUse(database: Database): readonly OutboxUse[] {
  return database.all<OutboxUse>("outbox.use", "SELECT kind, count(*) AS rows, sum(bytes) AS bytes FROM outbox GROUP BY kind");
}

export function unsentRows(database: Database): number {
  return database.get<{ rows: number }>("outbox.count", "SELECT count(*) AS rows FROM outbox WHERE parked = 0")?.rows ?? 0;
}

/** Answers above `seq`, oldest first: what another carrier copies. They stay here until a hub has acknowledged them. */
export function returnsAfter(database: Database, seq: number, limit: number): readonly Pick<QueuedRow, "seq" | "body">[] {
  return database.all<Pick<QueuedRow, "seq" | "body">>(
    "outbox.copies",
    "SELECT seq, body FROM outbox WHERE kind = 'return' AND parked = 0 AND seq > ? ORDER BY seq LIMIT ?",
    seq,
    limit,
  );
}

export function newestReturnSeq(database: Database): number {
  return database.get<{ seq: number | null }>("outbox.newest", "SELECT max(seq) AS seq FROM outbox WHERE kind = 'return'")?.seq ?? 0;
}

/** The next batch, and the promise, on disk before it is sent, that its numbers are spent. */
export function takeBatch(database: Database, bytesMax: number, rowsMax: number): readonly QueuedRow[] {
  if (rowsMax <= 0) return [];
  const rows: QueuedRow[] = [];
  let total = 0;
  for (let after = 0; rows.length < rowsMax && total < bytesMax; ) {
    const slice = database.all<QueuedRow>(
      "outbox.batch",
      "SELECT seq, kind, bytes, body FROM outbox WHERE parked = 0 AND seq > ? ORDER BY seq LIMIT ?",
      after,
      SLICE_ROWS,
    );
    rows.push(...slice);
    total += slice.reduce((sum, { bytes }) => sum + bytes, 0);
    const last = slice.at(-1);
    if (last === undefined || slice.length < SLICE_ROWS) break;
    after = last.seq;
  }
  const picked = pickBatch(rows, bytesMax, rowsMax);
  const last = picked.at(-1);
  if (last !== undefined && last.seq > readCounter(database, "sent_seq")) writeCounter(database, "sent_seq", last.seq);
  return picked;
}

/**
 * The promise of `takeBatch` in the commit that queues what leaves at once, instead of in one of its own. Not in a database that does not
 * know yet where the hub's count stands: its rows may have to move above it first.
 */
export function spendNumbers(database: Database): void {
  const last = Math.max(1, readCounter(database, "next_seq")) - 1;
  if (readCounter(database, "counted") === 1 && last > readCounter(database, "sent_seq")) writeCounter(database, "sent_seq", last);
}

/** Removes what the hub holds; renumbers what it would take for duplicates. Says how far rows moved. */
export function acknowledge(database: Database, ackedSeq: number): { readonly shiftBy: number; readonly pruned: number } {
  return database.transaction("outbox.ack", () => {
    const before = { next: Math.max(1, readCounter(database, "next_seq")), sent: readCounter(database, "sent_seq") };
    const { prune, shiftBy, sequence } = settleAck(before, ackedSeq);
    // From here on this database knows where the hub's count stands: rows may go.
    if (readCounter(database, "counted") === 0) writeCounter(database, "counted", 1);
    const pruned = prune > 0 ? database.run("outbox.prune", "DELETE FROM outbox WHERE seq <= ?", prune).changes : 0;
    if (shiftBy > 0) {
      // Through negative numbers: a primary key may not collide half-way through an UPDATE.
      database.run("outbox.renumber", "UPDATE outbox SET seq = -(seq + ?) WHERE seq > 0", shiftBy);
      database.run("outbox.renumber", "UPDATE outbox SET seq = -seq WHERE seq < 0");
      writeCounter(database, "next_seq", sequence.next);
      writeCounter(database, "sent_seq", sequence.sent);
    }
    return { shiftBy, pruned };
  });
}

/** Keeps a row that the hub refuses, without sending it again. */
export function park(database: Database, seq: number): void {
  database.run("outbox.park", "UPDATE outbox SET parked = 1 WHERE seq = ?", seq);
}

export function parkedRows(database: Database): number {
  return database.get<{ rows: number }>("outbox.parked", "SELECT count(*) AS rows FROM outbox WHERE parked = 1")?.rows ?? 0;
}

function dropOldest(database: Database, kind: OutboxKind, bytes: number): number {
  let freed = 0;
  let dropped = 0;
  while (freed < bytes) {
    const row = database.get<{ seq: number; bytes: number }>("outbox.oldest", "SELECT seq, bytes FROM outbox WHERE kind = ? ORDER BY seq LIMIT 1", kind);
    if (row === undefined) break;
    database.run("outbox.drop", "DELETE FROM outbox WHERE seq = ?", row.seq);
    freed += row.bytes;
    dropped += 1;
  }
  return dropped;
}
