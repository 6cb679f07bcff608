/**
 * From a backup to a data directory that a hub can serve. Everything is copied beside the target and checked whole; the epoch is raised, the
 * sessions ended and the audit row written there; only then does the directory get its name. So a crash at any point leaves the target
 * empty or whole, and no hub ever serves restored data under the old epoch (boxes would not know that they must offer what is newer).
 */
import { Fault, isFault } from "../../../shared/core/fault.ts";
import type { Database } from "../../../shared/ports/databases.ts";
import type { World } from "../../../shared/ports/world.ts";
import { type BackupManifest, damaged, DATABASE_NAME, decodeManifest, MANIFEST_BYTES_MAX, MANIFEST_NAME } from "../../core/backup/manifest.ts";
import { appendAudit } from "../store/audit.ts";
import { appendEvent } from "../store/events.ts";
import { raiseHubEpoch, writeMeta } from "../store/meta.ts";
import { MIGRATIONS } from "../store/open.ts";
import { copyHashed, makeDirs, readHashed, removeTree, syncDir } from "./copy-file.ts";
import { type Found, inspectDatabase } from "./inspect-database.ts";
import { unpackTar } from "./tar.ts";

export interface RestoreAsk {
  /** What `writeBackup` made. */
  readonly from: string;
  /** Absent or empty. */
  readonly dataDir: string;
  /** Do all of it but the last step, and leave nothing behind. */
  readonly dryRun?: boolean;
}

export interface Restored {
  readonly manifest: BackupManifest;
  readonly epoch: number;
  /** API tokens that open the hub again, whatever was revoked since the backup. */
  readonly tokens: number;
}

/** Throws `conflict` when the target is not empty, `backup_damaged`, `db_newer`. The target is untouched then. */
export async function restoreBackup(world: World, { from, dataDir, dryRun = false }: RestoreAsk): Promise<Restored> {
  const { files } = world;
  assertEmpty(world, dataDir);
  const staging = `${dataDir}.restoring`;
  if (files.stat("restore.staging", staging) !== undefined)
    throw new Fault("conflict", `Cannot restore: ${staging} is left from a restore that did not end`, {
      remedy: `Make sure that none is running, then remove ${staging}`,
    });
  files.makeDir("restore.staging", staging, 0o700);
  try {
    const manifest = copyIn(world, from, staging);
    const { epoch, tokens } = await prepare(world, staging, manifest);
    if (dryRun) {
      removeTree(files, "restore.clean", staging);
      return { manifest, epoch, tokens };
    }
    syncDir(files, "restore.sync", staging);
    if (files.stat("restore.swap", dataDir) !== undefined) files.removeDir("restore.swap", dataDir);
    files.rename("restore.swap", staging, dataDir);
    syncDir(files, "restore.swap", parentOf(dataDir));
    return { manifest, epoch, tokens };
  } catch (error) {
    removeTree(files, "restore.clean", staging);
    throw error;
  }
}

function assertEmpty({ files }: World, dataDir: string): void {
  const stat = files.stat("restore.target", dataDir);
  if (stat === undefined) return;
  const isEmpty = stat.kind === "directory" && files.list("restore.target", dataDir).length === 0;
  if (!isEmpty)
    throw new Fault("conflict", `Cannot restore into ${dataDir}: it is not empty`, {
      remedy: "Stop the hub and move its data directory away first, or name another with --data-dir",
    });
}

/** Every file that the manifest names, no other, each hashed on its way. */
function copyIn(world: World, from: string, staging: string): BackupManifest {
  const { files } = world;
  const stat = files.stat("restore.from", from);
  if (stat === undefined) throw new Fault("file_missing", `Cannot restore from ${from}: nothing is there`);
  const isArchive = stat.kind === "file";
  if (isArchive) unpackTar(world, from, staging);
  const source = isArchive ? staging : from;
  const manifest = readManifest(world, `${source}/${MANIFEST_NAME}`);
  if (manifest.schema > MIGRATIONS.length)
    throw new Fault("db_newer", `Cannot restore: the backup's schema is version ${manifest.schema}, this felhom knows ${MIGRATIONS.length}`, {
      remedy: "Restore with a felhom at least as new as the one that made the backup",
    });
  for (const { path, size, sha256 } of manifest.files) {
    makeDirs(files, "restore.copy", staging, path);
    const found = readOrDamaged(path, () =>
      isArchive
        ? readHashed(files, "restore.check", `${staging}/${path}`, () => {})
        : copyHashed(files, "restore.copy", `${source}/${path}`, `${staging}/${path}`),
    );
    if (found.size !== size || found.sha256 !== sha256) throw damaged(`${path} is not what the manifest says`);
  }
  if (isArchive) dropUnlisted(world, staging, manifest);
  for (const dir of new Set(manifest.files.map(({ path }) => parentOf(`${staging}/${path}`)))) syncDir(files, "restore.sync", dir);
  if (files.stat("restore.sync", `${staging}/blobs`) !== undefined) syncDir(files, "restore.sync", `${staging}/blobs`);
  return manifest;
}

function readManifest({ files }: World, path: string): BackupManifest {
  return decodeManifest(readOrDamaged(MANIFEST_NAME, () => files.read("restore.manifest", path, { bytesMax: MANIFEST_BYTES_MAX })));
}

function readOrDamaged<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (isFault(error, "file_missing")) throw damaged(`${path} is missing`);
    throw error;
  }
}

/** What an archive held beyond its manifest does not reach the data directory. */
function dropUnlisted({ files }: World, staging: string, manifest: BackupManifest): void {
  const listed = new Set(manifest.files.map(({ path }) => path));
  const walk = (dir: string): void => {
    for (const name of files.list("restore.drop", `${staging}/${dir}`)) {
      const path = dir === "" ? name : `${dir}/${name}`;
      if (files.stat("restore.drop", `${staging}/${path}`)?.kind === "directory") walk(path);
      else if (!listed.has(path)) files.remove("restore.drop", `${staging}/${path}`);
    }
  };
  walk("");
}

async function prepare(world: World, staging: string, manifest: BackupManifest): Promise<{ readonly epoch: number; readonly tokens: number }> {
  const db = world.databases.open("restore.open", `${staging}/${DATABASE_NAME}`, { migrations: MIGRATIONS });
  try {
    const found = await inspectDatabase(db);
    checkAgainst(found, manifest);
    return db.transaction("restore.prepare", () => raise(world, db, manifest));
  } finally {
    db.close();
  }
}

function checkAgainst(found: Found, manifest: BackupManifest): void {
  if (found.audit.seq !== manifest.audit.seq || found.audit.hash !== manifest.audit.hash) throw damaged("its audit log ends elsewhere than its manifest says");
  if (found.hub_epoch !== manifest.hub_epoch || found.root_version !== manifest.root_version)
    throw damaged("its database is another than its manifest describes");
  const stored = new Map(manifest.files.map(({ path, size }) => [path, size]));
  const lost = found.blobs.find(({ sha256, size }) => stored.get(`blobs/${sha256.slice(0, 2)}/${sha256}`) !== size);
  if (lost !== undefined) throw damaged(`blob ${lost.sha256.slice(0, 16)}… is missing`);
}

/** One transaction: the new epoch, nobody logged in, and the row and event that tell of it. */
function raise(world: World, db: Database, manifest: BackupManifest): { readonly epoch: number; readonly tokens: number } {
  const nowMs = world.clock.wallMs();
  const epoch = raiseHubEpoch(db, nowMs);
  db.run("restore.sessions", "DELETE FROM sessions");
  writeMeta(db, "last_backup_at", String(manifest.created_at));
  const data = { epoch, epoch_before: manifest.hub_epoch, backup_made_at: manifest.created_at, audit_seq: manifest.audit.seq };
  appendAudit(db, { at: nowMs, actor: "local", from: "local", action: "hub.restore", target: manifest.fleet_id ?? "hub", data });
  appendEvent(db, { at: nowMs, kind: "hub.restored", data });
  const tokens =
    db.get<{ count: number }>(
      "restore.tokens",
      "SELECT count(*) AS count FROM tokens WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?)",
      nowMs,
    )?.count ?? 0;
  return { epoch, tokens };
}

const parentOf = (path: string): string => path.slice(0, Math.max(1, path.lastIndexOf("/")));
