/**
 * Blobs on disk: content-addressed, immutable, at blobs/ab/<sha256>. A blob gets its name only when its bytes are whole, hashed and on the
 * platter: temp file in the same directory, fsync, rename, fsync of the directory. What a crash leaves behind is a temp without a
 * name, swept at start. The hash is over the bytes that were written, never over a second read.
 */
import { hex } from "../../../shared/core/bytes.ts";
import { Fault, isFault } from "../../../shared/core/fault.ts";
import { removeStaleTemps } from "../../../shared/edge/durable-write.ts";
import type { FileHandle } from "../../../shared/ports/files.ts";
import type { World } from "../../../shared/ports/world.ts";
import { REFUSALS } from "../../../shared/trust/verdict.ts";

export const BLOB_BYTES_MAX = 256 * 1024 * 1024;
/** Left on the disk for the database, whatever is uploaded. */
const SPARE_BYTES = 64 * 1024 * 1024;
const CHUNK_BYTES = 256 * 1024;

export const blobDir = (dataDir: string, sha256: string): string => `${dataDir}/blobs/${sha256.slice(0, 2)}`;
export const blobPath = (dataDir: string, sha256: string): string => `${blobDir(dataDir, sha256)}/${sha256}`;

type Disk = Pick<World, "files" | "crypto">;

/**
 * Writes `parts` as the blob `sha256` and returns its size. Throws `refused` (`blob_mismatch`) when the bytes have another hash,
 * `disk_full` before the database's own space is touched, and whatever `parts` throws; nothing is left under the name then.
 */
export async function receiveBlob(
  { files, crypto }: Disk,
  dataDir: string,
  sha256: string,
  parts: AsyncIterable<Uint8Array>,
  announcedBytes: number,
): Promise<number> {
  const dir = blobDir(dataDir, sha256);
  ensureDir({ files }, dataDir, dir);
  if (files.freeBytes("blob.put", dir) < announcedBytes + SPARE_BYTES)
    throw new Fault("disk_full", "Cannot store the blob: the hub's disk is nearly full", { facts: { sha256 } });
  // The name that `removeStaleTemps` knows: an upload cut by a crash is swept at the next start.
  const temp = `${dir}/.felhom-${hex(crypto.randomBytes(8))}.tmp`;
  const handle = files.open("blob.put", temp, "exclusive", 0o600);
  try {
    const size = await writeHashed(handle, sha256, parts);
    files.rename("blob.put", temp, blobPath(dataDir, sha256));
    syncDir({ files }, dir);
    return size;
  } catch (error) {
    removeQuietly({ files }, temp);
    throw error;
  }
}

async function writeHashed(handle: FileHandle, sha256: string, parts: AsyncIterable<Uint8Array>): Promise<number> {
  const hasher = new Bun.CryptoHasher("sha256");
  let size = 0;
  try {
    for await (const part of parts) {
      hasher.update(part);
      handle.write(part);
      size += part.byteLength;
    }
    if (hasher.digest("hex") !== sha256)
      throw new Fault("refused", `Cannot take this blob: ${REFUSALS.blob_mismatch}`, { facts: { refusal: "blob_mismatch", sha256 } });
    handle.sync();
    return size;
  } finally {
    handle.close();
  }
}

/** The bytes `from` … `to` (exclusive) of a stored blob, read as the reader takes them. Throws `file_missing` at once. */
export function blobBody(
  { files }: Pick<World, "files">,
  dataDir: string,
  sha256: string,
  range: { readonly from: number; readonly to: number },
): ReadableStream<Uint8Array> {
  const handle = files.open("blob.get", blobPath(dataDir, sha256), "read");
  let left = range.to;
  let skip = range.from;
  const next = (): Uint8Array | undefined => {
    while (left > 0) {
      const chunk = new Uint8Array(Math.min(CHUNK_BYTES, left));
      const got = handle.read(chunk);
      if (got === 0) throw new Fault("file_missing", "Cannot serve the blob: its file is shorter than it was", { facts: { sha256 } });
      left -= got;
      const kept = chunk.subarray(Math.min(skip, got), got);
      skip -= got - kept.byteLength;
      if (kept.byteLength > 0) return kept;
    }
    return undefined;
  };
  return new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        try {
          const chunk = next();
          if (chunk !== undefined) return controller.enqueue(chunk);
          handle.close();
          controller.close();
        } catch (error) {
          handle.close();
          throw error;
        }
      },
      cancel: () => handle.close(),
    },
    { highWaterMark: 1 },
  );
}

/** The file of a blob whose row is gone. */
export function removeBlobFile({ files }: Pick<World, "files">, dataDir: string, sha256: string): boolean {
  return files.remove("blob.remove", blobPath(dataDir, sha256));
}

/** Temps of uploads that a crash cut. Only while nothing else writes there. */
export function sweepBlobTemps({ files }: Pick<World, "files">, dataDir: string): number {
  if (files.stat("blob.sweep", `${dataDir}/blobs`) === undefined) return 0;
  return files.list("blob.sweep", `${dataDir}/blobs`).reduce((count, name) => count + removeStaleTemps(files, "blob.sweep", `${dataDir}/blobs/${name}`), 0);
}

function ensureDir({ files }: Pick<World, "files">, dataDir: string, dir: string): void {
  makeDir({ files }, dataDir, `${dataDir}/blobs`);
  makeDir({ files }, `${dataDir}/blobs`, dir);
}

function makeDir({ files }: Pick<World, "files">, parent: string, dir: string): void {
  if (files.stat("blob.dir", dir) !== undefined) return;
  try {
    files.makeDir("blob.dir", dir, 0o700);
  } catch (error) {
    if (!isFault(error, "file_exists")) throw error; // another upload was first
  }
  syncDir({ files }, parent);
}

function syncDir({ files }: Pick<World, "files">, path: string): void {
  const dir = files.openDir("blob.dir", path);
  try {
    dir.sync();
  } finally {
    dir.close();
  }
}

/** The first error is the one worth telling; a temp that stays has no name that anybody reads, and is swept at start. */
function removeQuietly({ files }: Pick<World, "files">, path: string): void {
  try {
    files.remove("blob.put", path);
  } catch {
    return;
  }
}
