/**
 * A backup of a hub, running or not: a consistent copy of the database (VACUUM INTO, one read transaction: every answer given before it
 * began is in it), then the blobs that this copy counts on, which never change, and the hub's TLS key, without which no pinned box would
 * find the restored hub. The copy is opened and checked whole before the backup gets its name. It holds no operator key and nothing that
 * signs: those never were in a hub. It does hold the TLS key and the hashes of credentials: keep it as you keep the hub.
 */
import { hex } from "../../../shared/core/bytes.ts";
import { Fault, isFault } from "../../../shared/core/fault.ts";
import { durableWrite } from "../../../shared/edge/durable-write.ts";
import type { Database } from "../../../shared/ports/databases.ts";
import type { World } from "../../../shared/ports/world.ts";
import { BACKUP_FORMAT, type BackupManifest, DATABASE_NAME, encodeManifest, MANIFEST_NAME } from "../../core/backup/manifest.ts";
import { writeMeta } from "../store/meta.ts";
import { databasePath, MIGRATIONS } from "../store/open.ts";
import { copyHashed, makeDirs, readHashed, removeTree, syncDir } from "./copy-file.ts";
import { type Found, inspectDatabase } from "./inspect-database.ts";
import { packTar } from "./tar.ts";

const ATTEMPTS_MAX = 3;
/** Those of NATS too, where there are any: without them every nats-server would need a new configuration. */
const KEY_FILES = ["tls/cert.pem", "tls/key.pem", "nats/keys.json", "nats/tls/cert.pem", "nats/tls/key.pem"] as const;

export interface BackupAsk {
  readonly dataDir: string;
  /** A new directory, or a new file when the name ends in `.tar`. */
  readonly to: string;
}

/** Throws `file_exists` when something is at `to`, `backup_damaged` when what was copied is not whole. Nothing is at `to` then. */
export async function writeBackup(world: World, { dataDir, to }: BackupAsk): Promise<BackupManifest> {
  const { files } = world;
  if (files.stat("backup.to", to) !== undefined)
    throw new Fault("file_exists", `Cannot back up to ${to}: something is there already`, {
      remedy: "Name a path where nothing is yet, or move the older backup away.",
    });
  if (files.stat("backup.from", databasePath(dataDir)) === undefined)
    throw new Fault("file_missing", `Cannot back up ${dataDir}: there is no hub's database in it`, { remedy: "Name the hub's data directory: --data-dir DIR" });
  const partial = `${to}.partial-${hex(world.crypto.randomBytes(4))}`;
  try {
    const manifest = await fill(world, dataDir, partial);
    if (to.endsWith(".tar")) {
      packTar(world, partial, [MANIFEST_NAME, ...manifest.files.map(({ path }) => path)], `${partial}.tar`);
      files.rename("backup.name", `${partial}.tar`, to);
    } else {
      files.rename("backup.name", partial, to);
    }
    syncDir(files, "backup.name", parentOf(to));
    recordBackup(world, dataDir, manifest.created_at);
    return manifest;
  } finally {
    removeTree(files, "backup.clean", partial);
    files.remove("backup.clean", `${partial}.tar`);
  }
}

/** A blob may be pruned between the database's copy and its own: then the copy is made again. */
async function fill(world: World, dataDir: string, partial: string): Promise<BackupManifest> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await fillOnce(world, dataDir, partial);
    } catch (error) {
      if (!isFault(error, "file_missing") || attempt >= ATTEMPTS_MAX) throw error;
      removeTree(world.files, "backup.clean", partial);
    }
  }
}

async function fillOnce(world: World, dataDir: string, partial: string): Promise<BackupManifest> {
  const { files } = world;
  const created_at = world.clock.wallMs();
  files.makeDir("backup.dir", partial, 0o700);
  copyDatabase(world, dataDir, `${partial}/${DATABASE_NAME}`);
  const found = await inspectCopy(world, `${partial}/${DATABASE_NAME}`);
  const listed = [{ path: DATABASE_NAME, ...readHashed(files, "backup.db", `${partial}/${DATABASE_NAME}`, () => {}) }];
  for (const path of KEY_FILES) {
    if (files.stat("backup.tls", `${dataDir}/${path}`) === undefined) continue;
    makeDirs(files, "backup.tls", partial, path);
    listed.push({ path, ...copyHashed(files, "backup.tls", `${dataDir}/${path}`, `${partial}/${path}`) });
  }
  for (const blob of found.blobs) listed.push(copyBlob(world, dataDir, partial, blob));
  for (const dir of new Set(listed.map(({ path }) => parentOf(`${partial}/${path}`)))) syncDir(files, "backup.sync", dir);
  if (found.blobs.length > 0) syncDir(files, "backup.sync", `${partial}/blobs`);
  const { blobs: _blobs, ...said } = found;
  const manifest: BackupManifest = { format: BACKUP_FORMAT, created_at, felhom_version: world.self.version, ...said, files: listed as BackupManifest["files"] };
  durableWrite(files, world.crypto, "backup.manifest", `${partial}/${MANIFEST_NAME}`, encodeManifest(manifest), { mode: 0o600 });
  return manifest;
}

/** Read-only: a backup never migrates a database that another felhom may be serving. */
function copyDatabase(world: World, dataDir: string, to: string): void {
  const live = world.databases.open("backup.open", databasePath(dataDir), { migrations: MIGRATIONS, readonly: true });
  try {
    live.copyTo("backup.copy", to);
  } finally {
    live.close();
  }
}

async function inspectCopy(world: World, path: string): Promise<Found> {
  const copy = world.databases.open("backup.inspect", path, { migrations: MIGRATIONS });
  try {
    return await inspectDatabase(copy);
  } finally {
    copy.close();
  }
}

function copyBlob(world: World, dataDir: string, partial: string, blob: { readonly sha256: string; readonly size: number }) {
  const path = `blobs/${blob.sha256.slice(0, 2)}/${blob.sha256}`;
  makeDirs(world.files, "backup.blob", partial, path);
  const copied = copyHashed(world.files, "backup.blob", `${dataDir}/${path}`, `${partial}/${path}`);
  if (copied.sha256 !== blob.sha256 || copied.size !== blob.size) {
    throw new Fault("disk_failed", `Cannot back up: blob ${blob.sha256.slice(0, 16)}… in the hub's data directory is damaged`, {
      facts: { sha256: blob.sha256 },
      remedy: "Remove the file and publish again from your workstation",
    });
  }
  return { path, ...copied };
}

/** When the last good backup was made, for `felhom status`. The backup is whole by now: failing to note it must not lose it. */
function recordBackup(world: World, dataDir: string, atMs: number): void {
  let live: Database | undefined;
  try {
    const opened = world.databases.open("backup.record", databasePath(dataDir), { migrations: MIGRATIONS });
    live = opened;
    opened.transaction("backup.record", () => writeMeta(opened, "last_backup_at", String(atMs)));
  } catch (error) {
    world.log.event("warn", "backup.not_recorded", {}, error);
  } finally {
    live?.close();
  }
}

const parentOf = (path: string): string => path.slice(0, Math.max(1, path.lastIndexOf("/")));
