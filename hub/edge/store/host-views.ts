/** Hosts as lists show them: the host's row and what its newest report says, in one look-up each, in order of name. */
import type { Database } from "../../../shared/ports/databases.ts";
import type { HostRow } from "./hosts.ts";

export interface HostView extends HostRow {
  /** `ReportSummary` of the newest report, and whether it verified; null when there is none. */
  readonly report_summary: string | null;
  readonly report_verified: number | null;
}

const VIEW = `SELECT h.*, r.summary AS report_summary, r.verified AS report_verified
  FROM hosts AS h LEFT JOIN newest_reports AS r ON r.host_id = h.host_id AND r.kind = 'report'`;

export function listHostViews(db: Database, after: { readonly name: string; readonly hostId: string }, limit: number): readonly HostView[] {
  return db.all<HostView>("hosts.list", `${VIEW} WHERE (h.name, h.host_id) > (?, ?) ORDER BY h.name, h.host_id LIMIT ?`, after.name, after.hostId, limit);
}

export function findHostView(db: Database, hostId: string): HostView | undefined {
  return db.get<HostView>("hosts.view", `${VIEW} WHERE h.host_id = ?`, hostId);
}

export interface SubjectRow {
  readonly host_id: string;
  readonly name: string;
  /** JSON object. */
  readonly labels: string;
  /** Envelope of its newest facts, if those verified. */
  readonly facts: string | null;
}

/** What an expression may ask of active hosts, in order of id. */
export function subjectsAfter(db: Database, hostId: string, withFacts: boolean, limit: number): readonly SubjectRow[] {
  const facts = withFacts ? "(SELECT r.envelope FROM newest_reports AS r WHERE r.host_id = h.host_id AND r.kind = 'facts' AND r.verified = 1)" : "NULL";
  return db.all<SubjectRow>(
    "hosts.subjects",
    `SELECT h.host_id, h.name, h.labels, ${facts} AS facts FROM hosts AS h WHERE h.host_id > ? AND h.state = 'active' ORDER BY h.host_id LIMIT ?`,
    hostId,
    limit,
  );
}
