/**
 * The audit log is a hash chain: each row's hash covers the row before it and every field of its own, each with its length
 * in front, so that no text can be moved from one field to the next. Editing, removing or reordering a row breaks every
 * hash after it. The chain does not stop who can rewrite all of it: for that, heads are exported (`felhom audit`) and compared.
 * Pruned rows leave an anchor (the sequence and hash of the last one pruned), from which what is kept verifies.
 */
import { concat, fromHex, hex, utf8 } from "./bytes.ts";
import { sha256 } from "./sha256.ts";

export interface AuditEntry {
  readonly at: number;
  /** `key:<id>`, `token:<id>`, `setup`, `host:<id>` or `hub`. */
  readonly actor: string;
  /** The socket's remote address, or `local`. */
  readonly from: string;
  readonly action: string;
  readonly target: string;
  /** `done`, or the code of what refused it. */
  readonly outcome: string;
  /** Flat JSON, no secrets, bounded. */
  readonly data: string;
}

export interface AuditRow extends AuditEntry {
  readonly seq: number;
  readonly hash: string;
}

/** Where a chain starts: nothing before it, or what was pruned. */
export interface AuditAnchor {
  readonly seq: number;
  readonly hash: string;
}

export const AUDIT_START: AuditAnchor = { seq: 0, hash: "0".repeat(64) };

export function auditHash(previous: string, seq: number, entry: AuditEntry): string {
  const fields = [String(seq), String(entry.at), entry.actor, entry.from, entry.action, entry.target, entry.outcome, entry.data];
  const parts: Uint8Array[] = [utf8("felhom audit 1\n"), fromHex(previous) ?? utf8(previous)];
  for (const field of fields) {
    const bytes = utf8(field);
    parts.push(utf8(`${bytes.byteLength}:`), bytes);
  }
  return hex(sha256(concat(...parts)));
}

export type AuditVerdict =
  | { readonly ok: true; readonly rows: number; readonly head: AuditAnchor }
  | { readonly ok: false; readonly rows: number; readonly brokenSeq: number; readonly because: "gap" | "hash" };

/** Walks rows in order of sequence from the anchor. The first row that does not follow is named; nothing after it is believed. */
export function verifyAuditChain(anchor: AuditAnchor, rows: Iterable<AuditRow>): AuditVerdict {
  let head = anchor;
  let count = 0;
  for (const row of rows) {
    if (row.seq !== head.seq + 1) return { ok: false, rows: count, brokenSeq: row.seq, because: "gap" };
    if (auditHash(head.hash, row.seq, row) !== row.hash) return { ok: false, rows: count, brokenSeq: row.seq, because: "hash" };
    head = { seq: row.seq, hash: row.hash };
    count += 1;
  }
  return { ok: true, rows: count, head };
}
