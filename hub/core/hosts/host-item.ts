/**
 * One line of the host list, put together from what the operator signed (name, labels), what is wanted (spec, current bundle), and what
 * the box last said. Reported columns never become intent; contact comes from memory, which is newer than the database.
 */
import type { HostHealth, HostItem } from "../../../shared/protocol/api/hosts.ts";
import type { HostSpec } from "../../../shared/protocol/spec.ts";
import { conditionOf, type ReportSummary } from "../sync/report-summary.ts";

export interface HostFacts {
  readonly hostId: HostItem["host_id"];
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly isRevoked: boolean;
  readonly revokeReason: string | null;
  readonly contact: HostItem["contact"];
  readonly lastSeenAt: number | null;
  readonly agentVersion: string | null;
  readonly bundleWanted: number;
  readonly spec: HostSpec;
  /** The newest verified report, if any. */
  readonly report: ReportSummary | undefined;
  /** Something came as a report and its signature is not the host's. */
  readonly isForged: boolean;
  readonly isCloned: boolean;
  readonly createdAt: number;
}

const NOTE_CHARS_MAX = 256;

export function hostItemOf(facts: HostFacts): HostItem {
  const { report, spec } = facts;
  return {
    host_id: facts.hostId,
    name: facts.name,
    labels: { ...facts.labels },
    health: healthOf(facts),
    contact: facts.contact,
    last_seen_at: facts.lastSeenAt,
    agent_version: facts.agentVersion,
    bundle_wanted: facts.bundleWanted,
    bundle_in_force: report?.bundle ?? null,
    counts: report?.counts ?? null,
    spec_generation: spec.generation,
    mode: spec.mode,
    paused_until: spec.paused_until ?? null,
    ...(report?.clock_off_ms === undefined ? {} : { clock_off_ms: report.clock_off_ms }),
    note: noteOf(facts)?.slice(0, NOTE_CHARS_MAX) ?? null,
    created_at: facts.createdAt,
  };
}

/** Silence outranks what was said before it: a report of yesterday says nothing of today. */
export function healthOf({ isRevoked, contact, report }: Pick<HostFacts, "isRevoked" | "contact" | "report">): HostHealth {
  if (isRevoked) return "revoked";
  if (contact === "down" || contact === "stale") return contact;
  if (report === undefined) return "unknown";
  const condition = conditionOf(report);
  return condition === "drifted" ? "drift" : condition;
}

/** The one thing to know about this host, if there is one. */
function noteOf(facts: HostFacts): string | undefined {
  const { report } = facts;
  if (facts.isRevoked) return facts.revokeReason === null ? "revoked" : `revoked: ${facts.revokeReason}`;
  if (facts.isCloned) return "two machines use this identity";
  if (facts.isForged) return "its last report was not signed by this host";
  if (report === undefined) return undefined;
  if (report.refused !== null) return `enforcing bundle ${report.bundle}, bundle ${report.refused.bundle} refused: ${report.refused.because}`;
  if (report.counts.failed > 0) return `${report.counts.failed} resources failed, ${report.counts.skipped} skipped`;
  if (report.source === "snapshot") return "its database is damaged; enforcing from the snapshot";
  return report.counts.drifted > 0 ? `${report.counts.drifted} resources differ` : undefined;
}
