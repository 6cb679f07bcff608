/**
 * What hosts reported, as the envelopes came. `verified` is the hub's own look at the signature, a courtesy: the operator's tools
 * verify again. `summary` is JSON for lists. A bounded history per host and kind, and the newest of each kind apart.
 */
import type { Database } from "../../../shared/ports/databases.ts";

export type ReportKind = "return" | "report" | "facts";

export interface ReportRow {
  readonly host_id: string;
  readonly kind: ReportKind;
  readonly seq: number;
  readonly received_at: number;
  /** What the box's clock said. */
  readonly created_at: number;
  readonly verified: number;
  /** `ReportSummary` for `report`, `{}` otherwise. */
  readonly summary: string;
  readonly envelope: string;
}

export type NewestReport = Omit<ReportRow, "seq">;

/** Kept per host. Returns of ops are kept longest: they are answers that somebody may still be waiting for. */
export const REPORTS_KEPT: Readonly<Record<ReportKind, number>> = { return: 1_000, report: 50, facts: 10 };

/** Inside a transaction. */
export function insertReport(db: Database, row: ReportRow): void {
  db.run(
    "reports.insert",
    "INSERT OR REPLACE INTO reports (host_id, kind, seq, received_at, created_at, verified, summary, envelope) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    row.host_id,
    row.kind,
    row.seq,
    row.received_at,
    row.created_at,
    row.verified,
    row.summary,
    row.envelope,
  );
  db.run(
    "reports.bound",
    `DELETE FROM reports WHERE host_id = ?1 AND kind = ?2 AND (received_at, seq) <=
       (SELECT received_at, seq FROM reports WHERE host_id = ?1 AND kind = ?2 ORDER BY received_at DESC, seq DESC LIMIT 1 OFFSET ?3)`,
    row.host_id,
    row.kind,
    REPORTS_KEPT[row.kind],
  );
}

/**
 * Inside a transaction. The order is that of arrival (a host's rows arrive in its own order): a box whose clock was a year ahead for an
 * hour must not hide what it says afterwards. An unverified report never takes the place of a verified one; false then.
 */
export function putNewestReport(db: Database, row: NewestReport): boolean {
  return (
    db.run(
      "reports.newest",
      `INSERT INTO newest_reports (host_id, kind, received_at, created_at, verified, summary, envelope) VALUES (?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (host_id, kind) DO UPDATE SET received_at = excluded.received_at, created_at = excluded.created_at, verified = excluded.verified, summary = excluded.summary, envelope = excluded.envelope
       WHERE excluded.verified >= newest_reports.verified`,
      row.host_id,
      row.kind,
      row.received_at,
      row.created_at,
      row.verified,
      row.summary,
      row.envelope,
    ).changes > 0
  );
}

export function newestReport(db: Database, hostId: string, kind: ReportKind): NewestReport | undefined {
  return db.get<NewestReport>(
    "reports.find-newest",
    "SELECT host_id, kind, received_at, created_at, verified, summary, envelope FROM newest_reports WHERE host_id = ? AND kind = ?",
    hostId,
    kind,
  );
}

/** Newest first. */
export function listReports(db: Database, hostId: string, kind: ReportKind, limit: number): readonly ReportRow[] {
  return db.all<ReportRow>(
    "reports.list",
    "SELECT host_id, kind, seq, received_at, created_at, verified, summary, envelope FROM reports WHERE host_id = ? AND kind = ? ORDER BY received_at DESC, seq DESC LIMIT ?",
    hostId,
    kind,
    limit,
  );
}
