/**
 * Bundles: signed manifests, by version. The newest version is the current one; versions only grow. Which blobs a bundle names is kept
 * as rows, so that serving a blob to a host and pruning unused ones are look-ups. The envelope is what counts: everything else here is
 * read from it at upload, for lists.
 */
import type { Database } from "../../../shared/ports/databases.ts";

export const BUNDLE_TABLES = [
  `CREATE TABLE bundles (
    version INTEGER PRIMARY KEY,
    envelope TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    message TEXT NOT NULL,
    files INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    signers TEXT NOT NULL,
    received_at INTEGER NOT NULL
  ) STRICT`,
  `CREATE TABLE bundle_blobs (
    version INTEGER NOT NULL REFERENCES bundles (version) ON DELETE CASCADE,
    sha256 TEXT NOT NULL,
    PRIMARY KEY (version, sha256)
  ) STRICT, WITHOUT ROWID`,
  "CREATE INDEX bundle_blobs_by_sha256 ON bundle_blobs (sha256)",
] as const;

export interface BundleRow {
  readonly version: number;
  readonly created_at: number;
  readonly expires_at: number;
  readonly message: string;
  readonly files: number;
  readonly bytes: number;
  /** JSON array of key ids. */
  readonly signers: string;
  readonly received_at: number;
}

const COLUMNS = "version, created_at, expires_at, message, files, bytes, signers, received_at";

/** Inside a transaction. The caller has checked that the version grows. */
export function insertBundle(db: Database, bundle: BundleRow & { readonly envelope: string; readonly sha256: readonly string[] }): void {
  db.run(
    "bundles.insert",
    "INSERT INTO bundles (version, envelope, created_at, expires_at, message, files, bytes, signers, received_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    bundle.version,
    bundle.envelope,
    bundle.created_at,
    bundle.expires_at,
    bundle.message,
    bundle.files,
    bundle.bytes,
    bundle.signers,
    bundle.received_at,
  );
  db.run(
    "bundles.insert",
    "INSERT OR IGNORE INTO bundle_blobs (version, sha256) SELECT ?, value FROM json_each(?)",
    bundle.version,
    JSON.stringify(bundle.sha256),
  );
}

/** 0 when there is none. */
export function newestBundleVersion(db: Database): number {
  return db.get<{ version: number }>("bundles.newest", "SELECT coalesce(max(version), 0) AS version FROM bundles")?.version ?? 0;
}

export function findBundle(db: Database, version: number): (BundleRow & { readonly envelope: string }) | undefined {
  return db.get("bundles.find", `SELECT ${COLUMNS}, envelope FROM bundles WHERE version = ?`, version);
}

export function listBundles(db: Database, beforeVersion: number, limit: number): readonly BundleRow[] {
  return db.all<BundleRow>("bundles.list", `SELECT ${COLUMNS} FROM bundles WHERE version < ? ORDER BY version DESC LIMIT ?`, beforeVersion, limit);
}

/** True when any kept bundle names this blob. */
export function isBlobNamed(db: Database, sha256: string): boolean {
  return db.get("bundles.names", "SELECT 1 AS one FROM bundle_blobs WHERE sha256 = ? LIMIT 1", sha256) !== undefined;
}

export interface BlobFault {
  readonly is: "blob_missing" | "blob_mismatch";
  readonly count: number;
  readonly path: string;
}

/** Which of a manifest's files are not stored, or stored with another size. At most one of each kind, with how many there are. */
export function findBlobFaults(
  db: Database,
  files: readonly { readonly path: string; readonly sha256: string; readonly size: number }[],
): readonly BlobFault[] {
  return db.all<BlobFault>(
    "bundles.blobs",
    `SELECT CASE WHEN b.sha256 IS NULL THEN 'blob_missing' ELSE 'blob_mismatch' END AS "is", count(*) AS count, min(f.value ->> '$.path') AS path
     FROM json_each(?) AS f LEFT JOIN blobs AS b ON b.sha256 = f.value ->> '$.sha256'
     WHERE b.sha256 IS NULL OR b.size <> f.value ->> '$.size'
     GROUP BY 1`,
    JSON.stringify(files),
  );
}
