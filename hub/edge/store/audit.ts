/**
 * The audit log: append-only, one row per mutation, hash-chained (shared/core/audit-chain.ts). `appendAudit` is called inside the very
 * transaction that does what the row tells, so there is no deed without a row and no row without a deed.
 */
import {
  AUDIT_START,
  type AuditAnchor,
  type AuditEntry,
  type AuditRow,
  type AuditVerdict,
  auditHash,
  verifyAuditChain,
} from "../../../shared/core/audit-chain.ts";
import type { Database } from "../../../shared/ports/databases.ts";

export const AUDIT_TABLES = [
  `CREATE TABLE audit (
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    source TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    outcome TEXT NOT NULL,
    data TEXT NOT NULL,
    hash TEXT NOT NULL
  ) STRICT`,
  "CREATE TABLE audit_anchor (one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL, hash TEXT NOT NULL) STRICT",
] as const;

const AUDIT_DATA_CHARS_MAX = 4_096;
const VERIFY_PAGE = 1_000;
const AUDIT_WALKS_MAX = 3;
const COLUMNS = 'seq, at, actor, source AS "from", action, target, outcome, data, hash';

export type AuditDeed = Omit<AuditEntry, "data" | "outcome"> & {
  readonly outcome?: string;
  readonly data?: Readonly<Record<string, string | number | boolean | null>>;
};

/** Inside the transaction of the deed itself. */
export function appendAudit(db: Database, deed: AuditDeed): AuditRow {
  const head = auditHead(db);
  const written = JSON.stringify(deed.data ?? {});
  const entry: AuditEntry = {
    at: deed.at,
    actor: deed.actor.slice(0, 128),
    from: deed.from.slice(0, 64),
    action: deed.action,
    target: deed.target.slice(0, 128),
    outcome: deed.outcome ?? "done",
    data: written.length <= AUDIT_DATA_CHARS_MAX ? written : JSON.stringify({ left_out: "too long", chars: written.length }),
  };
  const seq = head.seq + 1;
  const hash = auditHash(head.hash, seq, entry);
  db.run(
    "audit.append",
    "INSERT INTO audit (seq, at, actor, source, action, target, outcome, data, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    seq,
    entry.at,
    entry.actor,
    entry.from,
    entry.action,
    entry.target,
    entry.outcome,
    entry.data,
    hash,
  );
  return { ...entry, seq, hash };
}

/** The newest row, or the anchor when every row was pruned. */
export function auditHead(db: Database): AuditAnchor {
  return db.get<AuditAnchor>("audit.head", "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1") ?? auditAnchor(db);
}

export function auditAnchor(db: Database): AuditAnchor {
  return db.get<AuditAnchor>("audit.anchor", "SELECT seq, hash FROM audit_anchor WHERE one = 1") ?? AUDIT_START;
}

/** Newest first. */
export function listAudit(db: Database, page: { readonly beforeSeq: number; readonly limit: number }): readonly AuditRow[] {
  return db.all<AuditRow>("audit.list", `SELECT ${COLUMNS} FROM audit WHERE seq < ? ORDER BY seq DESC LIMIT ?`, page.beforeSeq, page.limit);
}

export type AuditFinding = AuditVerdict & { readonly anchor: AuditAnchor };

/**
 * Walks the whole kept chain from its anchor, a page at a time with a `pause` between, so that a long log holds nobody up. Rows that
 * are pruned under its feet look like a gap: then the anchor has moved, and the walk begins again from there.
 */
export async function verifyAudit(read: <T>(body: (db: Database) => T) => Promise<T>, pause: () => Promise<void>): Promise<AuditFinding> {
  for (let walks = 1; ; walks += 1) {
    const finding = await walkAudit(read, pause);
    const anchor = await read(auditAnchor);
    if (finding.ok || anchor.seq === finding.anchor.seq || walks >= AUDIT_WALKS_MAX) return finding;
  }
}

async function walkAudit(read: <T>(body: (db: Database) => T) => Promise<T>, pause: () => Promise<void>): Promise<AuditFinding> {
  const anchor = await read(auditAnchor);
  let head = anchor;
  for (let rows = 0; ; ) {
    const from = head;
    const page = await read((db) => db.all<AuditRow>("audit.walk", `SELECT ${COLUMNS} FROM audit WHERE seq > ? ORDER BY seq LIMIT ?`, from.seq, VERIFY_PAGE));
    const verdict = verifyAuditChain(head, page);
    rows += verdict.rows;
    if (!verdict.ok) return { ...verdict, rows, anchor };
    if (page.length < VERIFY_PAGE) return { ...verdict, rows, anchor };
    head = verdict.head;
    await pause();
  }
}

/** Inside a transaction. Removes the oldest rows up to `uptoSeq`, never the head, and leaves the anchor they chain to. Returns how many went. */
export function pruneAudit(db: Database, uptoSeq: number): number {
  const last = db.get<AuditAnchor>(
    "audit.prune",
    "SELECT seq, hash FROM audit WHERE seq <= ? AND seq < (SELECT max(seq) FROM audit) ORDER BY seq DESC LIMIT 1",
    uptoSeq,
  );
  if (last === undefined) return 0;
  db.run(
    "audit.prune",
    "INSERT INTO audit_anchor (one, seq, hash) VALUES (1, ?, ?) ON CONFLICT (one) DO UPDATE SET seq = excluded.seq, hash = excluded.hash",
    last.seq,
    last.hash,
  );
  return db.run("audit.prune", "DELETE FROM audit WHERE seq <= ?", last.seq).changes;
}
