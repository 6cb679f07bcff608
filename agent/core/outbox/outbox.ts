/**
 * What waits to be told to the hub, and what gives way when there is too much of it. Returns are results of operations:
 * they are never dropped. Everything else yields from the least valuable kind upwards, oldest first within a kind. The hub
 * dedups on (host, seq) and acknowledges a prefix; a batch is a prefix of the queue by seq, so an acknowledgement can never
 * skip over something unsent.
 */
export type OutboxKind = "return" | "op-log" | "report" | "facts" | "event" | "metrics";
/** What was done here and what came of it: never dropped while the disk lasts. */
type Kept = "return" | "op-log";

/** Lowest gives way first. */
export const PRIORITY: Readonly<Record<OutboxKind, number>> = { return: 4, "op-log": 4, report: 3, facts: 2, event: 1, metrics: 0 };
/** Of the whole outbox, how much a kind may fill. Returns have no share: they are bounded by the disk alone. */
export const SHARE: Readonly<Record<Exclude<OutboxKind, Kept>, number>> = { report: 0.5, facts: 0.125, event: 0.25, metrics: 0.125 };
export const BATCH_ROWS_MAX = 1_000;

export interface OutboxUse {
  readonly kind: OutboxKind;
  readonly rows: number;
  readonly bytes: number;
}

export type Yield = { readonly drop: OutboxKind; readonly bytes: number };

/** What to drop so that `incoming` fits: how many bytes (at least) of which kind, oldest first. Empty when it fits. */
export function makeRoom(use: readonly OutboxUse[], incoming: { readonly kind: OutboxKind; readonly bytes: number }, bytesMax: number): readonly Yield[] {
  const held = new Map(use.map(({ kind, bytes }) => [kind, bytes]));
  const yields = new Map<OutboxKind, number>();
  const give = (kind: OutboxKind, bytes: number): void => {
    const given = Math.min(bytes, held.get(kind) ?? 0);
    if (given <= 0) return;
    held.set(kind, (held.get(kind) ?? 0) - given);
    yields.set(kind, (yields.get(kind) ?? 0) + given);
  };
  if (!isKept(incoming.kind)) {
    const over = (held.get(incoming.kind) ?? 0) + incoming.bytes - Math.floor(bytesMax * SHARE[incoming.kind]);
    if (over > 0) give(incoming.kind, over);
  }
  for (const kind of ["metrics", "event", "facts", "report"] as const) {
    const total = [...held.values()].reduce((sum, bytes) => sum + bytes, 0);
    const over = total + incoming.bytes - bytesMax;
    if (over <= 0) break;
    if (PRIORITY[kind] <= PRIORITY[incoming.kind]) give(kind, over);
  }
  return [...yields].map(([drop, bytes]) => ({ drop, bytes }));
}

/** Whether `incoming` may enter after its room was made: anything but a return gives up when only more valuable things are left. */
export function fits(use: readonly OutboxUse[], incoming: { readonly kind: OutboxKind; readonly bytes: number }, bytesMax: number): boolean {
  if (isKept(incoming.kind)) return true;
  const total = use.reduce((sum, { bytes }) => sum + bytes, 0);
  return total + incoming.bytes <= bytesMax;
}

export function isKept(kind: OutboxKind): kind is Kept {
  return kind === "return" || kind === "op-log";
}

export interface OutboxRow {
  readonly seq: number;
  readonly bytes: number;
}

/** The longest prefix that fits. A first row larger than the whole batch goes alone: it would otherwise wait for ever. */
export function pickBatch<T extends OutboxRow>(rows: readonly T[], bytesMax: number, rowsMax: number): readonly T[] {
  const picked: T[] = [];
  let total = 0;
  for (const row of rows) {
    if (picked.length >= Math.min(rowsMax, BATCH_ROWS_MAX)) break;
    if (picked.length > 0 && total + row.bytes > bytesMax) break;
    picked.push(row);
    total += row.bytes;
  }
  return picked;
}

export interface Sequence {
  /** The number the next row gets. */
  readonly next: number;
  /** Rows above this were never in a request from this data directory. */
  readonly sent: number;
}

/**
 * What an acknowledgement means. When the hub has acknowledged more than this data directory ever sent, the directory is an
 * older copy (restored, rolled back, or a new database): the rows that were never sent carry numbers the hub has already
 * seen, and would be taken for duplicates. They move above what the hub knows.
 */
export function settleAck(sequence: Sequence, ackedSeq: number): { readonly prune: number; readonly shiftBy: number; readonly sequence: Sequence } {
  if (ackedSeq <= sequence.sent) return { prune: ackedSeq, shiftBy: 0, sequence };
  const shiftBy = ackedSeq - sequence.sent;
  return { prune: sequence.sent, shiftBy, sequence: { next: sequence.next + shiftBy, sent: ackedSeq } };
}
