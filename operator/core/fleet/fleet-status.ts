import { ageOf, ago, byteSize, count, isoTime, isoTimeOrNull } from "../../../shared/cli/age.ts";
import { paint } from "../../../shared/cli/colour.ts";
import { escapeUntrusted } from "../../../shared/cli/escape.ts";
import { glyphOf, mark, markCell } from "../../../shared/cli/glyph.ts";
import { fields, type Cell } from "../../../shared/cli/table.ts";
import type { Terminal } from "../../../shared/ports/terminal.ts";
import type { HubStatus } from "../../../shared/protocol/api/fleet.ts";
import type { TrustedRoot } from "../../../shared/trust/root.ts";

/** `status` on a workstation: the fleet at a glance. What the hub says is compared with the root that is pinned here. */
export interface FleetStatus {
  readonly status: HubStatus;
  readonly root: TrustedRoot;
  readonly url: string;
  readonly contextName: string;
  readonly nowMs: number;
  readonly terminal: Pick<Terminal, "outIsTty" | "columns" | "colour" | "unicode">;
}

const SKEW_MS_MAX = 60_000;

export function fleetStatusText(shown: FleetStatus): string {
  const { status, root, terminal, nowMs } = shown;
  const { hosts } = status;
  const good = hosts.attention === 0 && hosts.pending === 0 && sickChecks(status).length === 0 && problems(shown).length === 0;
  const head = `${paint(terminal, "strong", root.payload.fleet_name)}  ${good ? mark(terminal, "good", "as wanted") : mark(terminal, "warn", "needs a look")}`;
  const pairs: readonly (readonly [string, Cell])[] = [
    ["hosts", hostsText(status, terminal.unicode)],
    ["attention", hosts.attention === 0 ? undefined : { text: `${count(hosts.attention, "host")}: felhom host list --attention`, style: "warn" }],
    ["waiting", hosts.pending === 0 ? undefined : { text: `${count(hosts.pending, "box", "boxes")} for approval: felhom host list --pending`, style: "warn" }],
    ["bundle", status.bundle === 0 ? "none published" : String(status.bundle)],
    [
      "root",
      { text: `version ${root.payload.version}, expires ${isoTime(root.payload.expires_at)}`, style: root.payload.expires_at <= nowMs ? "bad" : "plain" },
    ],
    ["hub", `${shown.url}, felhom ${status.version}, up ${ageOf(status.started_at, status.now)}, ${count(status.held_syncs, "held sync")}`],
    [
      "database",
      `${byteSize(status.database.bytes)}, schema ${status.database.schema}, backup ${status.database.last_backup_at === null ? "never" : ago(status.database.last_backup_at, nowMs)}`,
    ],
  ];
  const checks = sickChecks(status).map(
    ({ name, is, because }) => [name, markCell(terminal, glyphOf(is), `${is}${because === null ? "" : `: ${because}`}`)] as const,
  );
  const wrong = problems(shown).map((problem) => `  ${paint(terminal, "bad", `! ${escapeUntrusted(problem)}`)}`);
  return [head, "", fields([...pairs, ...checks], terminal), ...(wrong.length > 0 ? ["", ...wrong] : [])].join("\n");
}

function hostsText(status: HubStatus, unicode: boolean): string {
  const { total, up, stale, down, never, revoked } = status.hosts;
  const parts = [
    `${up} up`,
    ...(stale > 0 ? [`${stale} stale`] : []),
    ...(down > 0 ? [`${down} down`] : []),
    ...(never > 0 ? [`${never} never seen`] : []),
    ...(revoked > 0 ? [`${revoked} revoked`] : []),
  ];
  return total === 0 ? "none yet" : parts.length === 1 && up === total ? `${total}, all up` : `${total}: ${parts.join(unicode ? " · " : ", ")}`;
}

function sickChecks(status: HubStatus): HubStatus["checks"] {
  return status.checks.filter(({ is }) => is !== "healthy");
}

/** What does not fit together between the hub's word and what is pinned here. */
export function problems({ status, root, nowMs }: Pick<FleetStatus, "status" | "root" | "nowMs">): readonly string[] {
  return [
    ...(status.fleet_id === root.payload.fleet_id
      ? []
      : [`The hub serves fleet ${status.fleet_id ?? "(none)"}, but this context pins ${root.payload.fleet_id}`]),
    ...(status.root_version < root.payload.version
      ? [`The hub has root ${status.root_version}, but version ${root.payload.version} is known here: it is behind, or withholds`]
      : []),
    ...(Math.abs(status.now - nowMs) > SKEW_MS_MAX
      ? [`The hub's clock is ${ageOf(Math.min(status.now, nowMs), Math.max(status.now, nowMs))} ${status.now > nowMs ? "ahead of" : "behind"} this one`]
      : []),
  ];
}

export function fleetStatusData(shown: FleetStatus): Readonly<Record<string, unknown>> {
  const { status, root } = shown;
  return {
    scope: "fleet",
    context: shown.contextName,
    fleetId: root.payload.fleet_id,
    fleetName: root.payload.fleet_name,
    rootVersion: root.payload.version,
    rootExpiresAt: isoTime(root.payload.expires_at),
    hub: {
      url: shown.url,
      version: status.version,
      epoch: status.hub_epoch,
      startedAt: isoTime(status.started_at),
      now: isoTime(status.now),
      heldSyncs: status.held_syncs,
      rootVersion: status.root_version,
      database: { bytes: status.database.bytes, schema: status.database.schema, lastBackupAt: isoTimeOrNull(status.database.last_backup_at) },
    },
    bundle: status.bundle,
    hosts: status.hosts,
    checks: status.checks,
    problems: problems(shown),
  };
}
