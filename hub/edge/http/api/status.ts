/** What the hub says of itself and its fleet in one look. Counts come from memory; the health checks are the same list that /readyz reads. */
import type { Check, Health } from "../../../../shared/core/health.ts";
import { type HubStatus, hubStatus } from "../../../../shared/protocol/api/fleet.ts";
import { one } from "../../../../shared/protocol/api/page.ts";
import type { Database } from "../../../../shared/ports/databases.ts";
import { isCollecting } from "../../../core/ops/op-state.ts";
import type { Hub } from "../../hub.ts";
import { countPendingEnrollments } from "../../store/enrollments.ts";
import { countOpenOps, type OpenCount } from "../../store/ops.ts";
import { readMeta } from "../../store/meta.ts";
import { databasePath, MIGRATIONS } from "../../store/open.ts";
import { defineRoute, type Route } from "../route.ts";
import { oneBody } from "./reply.ts";

/** The count of hosts to look at reads every host's newest report: not more often than this. */
const ATTENTION_MS = 5_000;

export function statusRoutes(hub: Hub, checks: () => readonly Check[]): readonly Route[] {
  const countAttention = attentionCounter(hub);
  return [
    defineRoute(
      {
        method: "GET",
        path: "/api/v1/status",
        capability: "fleet.read",
        summary: "The hub and its fleet in one look",
        bodyBytesMax: 0,
        replies: { 200: { what: "The status", schema: one("Status", hubStatus) } },
      },
      async () => {
        const { up, stale, down, never, revoked } = hub.hosts.counts();
        const unwell = await countAttention();
        const stored = await hub.store.read((db) => ({ pending: countPendingEnrollments(db), ops: countOpenOps(db), backup: readMeta(db, "last_backup_at") }));
        const root = hub.fleet.root?.payload;
        const status: HubStatus = {
          version: hub.world.self.version,
          fleet_id: root?.fleet_id ?? null,
          fleet_name: root?.fleet_name ?? null,
          root_version: hub.fleet.rootVersion,
          hub_epoch: hub.fleet.epoch,
          started_at: hub.startedWallMs,
          now: hub.world.clock.wallMs(),
          bundle: hub.fleet.bundleVersion,
          hosts: { total: up + stale + down + never, up, stale, down, never, pending: stored.pending, revoked, attention: stale + down + unwell },
          held_syncs: hub.courier.held,
          ops: openOpsOf(stored.ops),
          database: { bytes: databaseBytes(hub), schema: MIGRATIONS.length, last_backup_at: stored.backup === undefined ? null : Number(stored.backup) },
          checks: checks().map(({ name, health }) => ({ name, is: health.is, because: becauseOf(health) })),
        };
        return { status: 200, body: oneBody("Status", status) };
      },
    ),
  ];
}

function openOpsOf(counts: readonly OpenCount[]): NonNullable<HubStatus["ops"]> {
  const sum = (rows: readonly OpenCount[], wanted: boolean): number =>
    rows.filter(({ state }) => isCollecting(state) === wanted).reduce((all, { count }) => all + count, 0);
  const kinds = [...new Set(counts.map(({ kind }) => kind))].map((kind) => {
    const own = counts.filter((row) => row.kind === kind);
    return { kind, active: sum(own, false), unsigned: sum(own, true) };
  });
  return { active: sum(counts, false), unsigned: sum(counts, true), kinds };
}

function becauseOf(health: Health): string | null {
  return health.is === "healthy" ? null : health.because.slice(0, 512);
}

function databaseBytes(hub: Hub): number {
  const path = databasePath(hub.settings.dataDir);
  return [path, `${path}-wal`].reduce((sum, file) => sum + (hub.world.files.stat("status.size", file)?.size ?? 0), 0);
}

function attentionCounter(hub: Hub): () => Promise<number> {
  let counted = { count: 0, monoMs: Number.NEGATIVE_INFINITY };
  return async () => {
    const nowMs = hub.world.clock.monoMs();
    if (nowMs - counted.monoMs >= ATTENTION_MS) counted = { count: await hub.store.read((db) => countUnwell(db, hub.fleet.bundleVersion)), monoMs: nowMs };
    return counted.count;
  };
}

/** Not silent, and its newest report says that something is not as it should be, or is of another bundle than the wanted one; or there is no report yet. */
function countUnwell(db: Database, bundleWanted: number): number {
  return (
    db.get<{ count: number }>(
      "status.unwell",
      `SELECT count(*) AS count FROM hosts AS h LEFT JOIN newest_reports AS r ON r.host_id = h.host_id AND r.kind = 'report'
       WHERE h.state = 'active' AND h.contact NOT IN ('stale', 'down')
         AND (r.host_id IS NULL OR r.verified = 0 OR r.summary ->> '$.counts.failed' > 0 OR r.summary ->> '$.counts.drifted' > 0 OR r.summary ->> '$.refused' IS NOT NULL OR r.summary ->> '$.source' = 'snapshot'
           OR (?1 > 0 AND r.summary ->> '$.bundle' <> ?1))`,
      bundleWanted,
    )?.count ?? 0
  );
}
