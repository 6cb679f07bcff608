import type { HostItem } from "../../../../shared/protocol/api/hosts.ts";
import { hostId } from "../../../../shared/protocol/fields.ts";
import { hostSpec } from "../../../../shared/protocol/spec.ts";
import { hostItemOf } from "../../../core/hosts/host-item.ts";
import type { ReportSummary } from "../../../core/sync/report-summary.ts";
import type { Hub } from "../../hub.ts";
import type { HostView } from "../../store/host-views.ts";

/** A clone is news for as long as an operator may be looking for it. */
const CLONE_SHOWN_MS = 3_600_000;

/** The stored row with what only memory knows: contact of this minute. */
export function hostItem(hub: Hub, row: HostView): HostItem {
  const entry = hub.hosts.get(row.host_id);
  const seenAt = entry === undefined || entry.seenWallMs === 0 ? row.last_seen_at : entry.seenWallMs;
  const labels: Readonly<Record<string, string>> = JSON.parse(row.labels);
  return hostItemOf({
    hostId: hostId.parse(row.host_id),
    name: row.name,
    labels,
    isRevoked: row.state === "revoked",
    revokeReason: row.revoke_reason,
    contact: entry?.contact ?? row.contact,
    lastSeenAt: seenAt,
    agentVersion: entry === undefined || entry.agentVersion === "" ? row.agent_version : entry.agentVersion,
    bundleWanted: hub.fleet.bundleVersion,
    spec: hostSpec.parse(JSON.parse(row.spec)),
    report: summaryOf(row),
    isForged: row.report_verified === 0,
    isCloned: entry !== undefined && entry.clonedAtMs > 0 && entry.clonedAtMs > hub.world.clock.wallMs() - CLONE_SHOWN_MS,
    createdAt: row.created_at,
  });
}

/** Only what verified is read: anything else would let whoever holds a credential paint a host green. */
function summaryOf(row: HostView): ReportSummary | undefined {
  if (row.report_verified !== 1 || row.report_summary === null) return undefined;
  const summary: ReportSummary = JSON.parse(row.report_summary);
  return summary;
}
