/** A database file of a backup, opened and looked at whole: pages, audit chain, root chain, and that every blob it counts on is listed. */
import { auditHead, verifyAudit } from "../store/audit.ts";
import { newestBundleVersion } from "../store/bundles.ts";
import { hubEpoch } from "../store/meta.ts";
import { MIGRATIONS } from "../store/open.ts";
import { loadRoot } from "../trust/load-root.ts";
import { isFault } from "../../../shared/core/fault.ts";
import type { Database } from "../../../shared/ports/databases.ts";
import { type BackupManifest, damaged } from "../../core/backup/manifest.ts";

export type Found = Omit<BackupManifest, "format" | "created_at" | "felhom_version" | "files"> & {
  readonly blobs: readonly { readonly sha256: string; readonly size: number }[];
};

/** Throws `backup_damaged` for anything that is not whole. */
export async function inspectDatabase(db: Database): Promise<Found> {
  const check = db.check("backup.check");
  if (check !== "ok") throw damaged(`its database is damaged (${check.slice(0, 200)})`);
  const audit = await verifyAudit(
    async (body) => body(db),
    async () => {},
  );
  if (!audit.ok) throw damaged(`its audit log does not verify at row ${audit.brokenSeq} (${audit.because})`);
  const root = rootOf(db);
  return {
    schema: MIGRATIONS.length,
    fleet_id: root?.payload.fleet_id ?? null,
    fleet_name: root?.payload.fleet_name ?? null,
    root_version: root?.payload.version ?? 0,
    bundle: newestBundleVersion(db),
    hosts: db.get<{ count: number }>("backup.hosts", "SELECT count(*) AS count FROM hosts WHERE state = 'active'")?.count ?? 0,
    hub_epoch: hubEpoch(db),
    audit: { ...auditHead(db) } as BackupManifest["audit"],
    blobs: db.all<{ sha256: string; size: number }>("backup.blobs", "SELECT sha256, size FROM blobs ORDER BY sha256"),
  };
}

function rootOf(db: Database) {
  try {
    return loadRoot(db);
  } catch (error) {
    if (isFault(error, "refused")) throw damaged(`its root chain does not verify (${String(error.facts["refusal"])})`);
    throw error;
  }
}
