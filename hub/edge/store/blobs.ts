/** Which blobs are on disk. The row is written after the file is durable; a file without a row is an upload that did not end. */
import type { Database } from "../../../shared/ports/databases.ts";

export interface BlobRow {
  readonly sha256: string;
  readonly size: number;
  readonly created_at: number;
}

/** Inside a transaction. False when it was known. */
export function insertBlob(db: Database, blob: BlobRow): boolean {
  return (
    db.run("blobs.insert", "INSERT INTO blobs (sha256, size, created_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", blob.sha256, blob.size, blob.created_at)
      .changes > 0
  );
}

export function findBlob(db: Database, sha256: string): BlobRow | undefined {
  return db.get<BlobRow>("blobs.find", "SELECT sha256, size, created_at FROM blobs WHERE sha256 = ?", sha256);
}

/** Those of the list that are not here. */
export function missingBlobs(db: Database, sha256: readonly string[]): readonly string[] {
  return db
    .all<{ sha256: string }>("blobs.missing", "SELECT value AS sha256 FROM json_each(?) WHERE value NOT IN (SELECT sha256 FROM blobs)", JSON.stringify(sha256))
    .map((row) => row.sha256);
}

/** Named by no kept bundle and older than `beforeMs` (an upload comes before the manifest that names it). */
export function unusedBlobs(db: Database, beforeMs: number, limit: number): readonly BlobRow[] {
  return db.all<BlobRow>(
    "blobs.unused",
    "SELECT sha256, size, created_at FROM blobs WHERE created_at < ? AND NOT EXISTS (SELECT 1 FROM bundle_blobs WHERE bundle_blobs.sha256 = blobs.sha256) LIMIT ?",
    beforeMs,
    limit,
  );
}

/** Inside a transaction; the file goes after it. */
export function deleteBlob(db: Database, sha256: string): void {
  db.run("blobs.delete", "DELETE FROM blobs WHERE sha256 = ?", sha256);
}
