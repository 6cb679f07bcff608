/** A hub's database, read without a hub: read-only, so it is safe beside a running one and never migrates anything. */
import type { World } from "../../../shared/ports/world.ts";
import { type AuditFinding, verifyAudit } from "../store/audit.ts";
import { newestBundleVersion } from "../store/bundles.ts";
import { countPendingEnrollments } from "../store/enrollments.ts";
import { hubEpoch, readMeta } from "../store/meta.ts";
import { databasePath, MIGRATIONS } from "../store/open.ts";
import { loadRoot } from "../trust/load-root.ts";

export interface HubLook {
  readonly schema: number;
  readonly bytes: number;
  /** `ok`, or what SQLite found. */
  readonly check: string;
  readonly audit: AuditFinding;
  readonly fleetId: string | null;
  readonly fleetName: string | null;
  readonly rootVersion: number;
  readonly bundle: number;
  readonly hosts: number;
  readonly pending: number;
  readonly tokens: number;
  readonly epoch: number;
  readonly lastBackupAt: number | null;
}

export async function lookAtHub(world: World, dataDir: string): Promise<HubLook> {
  const path = databasePath(dataDir);
  const db = world.databases.open("hub.look", path, { migrations: MIGRATIONS, readonly: true });
  try {
    const check = db.check("hub.look");
    const audit = await verifyAudit(
      async (body) => body(db),
      async () => {},
    );
    const root = loadRoot(db)?.payload;
    const number = (sql: string): number => db.get<{ n: number }>("hub.look", sql)?.n ?? 0;
    const backup = readMeta(db, "last_backup_at");
    return {
      schema: MIGRATIONS.length,
      bytes: [path, `${path}-wal`].reduce((sum, file) => sum + (world.files.stat("hub.look", file)?.size ?? 0), 0),
      check,
      audit,
      fleetId: root?.fleet_id ?? null,
      fleetName: root?.fleet_name ?? null,
      rootVersion: root?.version ?? 0,
      bundle: newestBundleVersion(db),
      hosts: number("SELECT count(*) AS n FROM hosts WHERE state = 'active'"),
      pending: countPendingEnrollments(db),
      tokens: number("SELECT count(*) AS n FROM tokens WHERE revoked_at IS NULL"),
      epoch: hubEpoch(db),
      lastBackupAt: backup === undefined ? null : Number(backup),
    };
  } finally {
    db.close();
  }
}
