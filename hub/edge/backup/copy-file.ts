import { Fault } from "../../../shared/core/fault.ts";
import type { Files } from "../../../shared/ports/files.ts";

const CHUNK_BYTES = 1024 * 1024;

export interface Copied {
  readonly size: number;
  readonly sha256: string;
}

/** A file's bytes, a chunk at a time, hashed on the way. */
export function readHashed(files: Files, op: string, path: string, take: (chunk: Uint8Array) => void): Copied {
  const handle = files.open(op, path, "read");
  try {
    const hasher = new Bun.CryptoHasher("sha256");
    const chunk = new Uint8Array(CHUNK_BYTES);
    let size = 0;
    for (;;) {
      const got = handle.read(chunk);
      if (got === 0) return { size, sha256: hasher.digest("hex") };
      const part = chunk.subarray(0, got);
      hasher.update(part);
      take(part);
      size += got;
    }
  } finally {
    handle.close();
  }
}

/** Copies to a new file, mode 0600, fsynced. Throws `file_exists`. What it returns was hashed while it was written. */
export function copyHashed(files: Files, op: string, from: string, to: string): Copied {
  const out = files.open(op, to, "exclusive", 0o600);
  try {
    const copied = readHashed(files, op, from, (chunk) => out.write(chunk));
    out.sync();
    return copied;
  } finally {
    out.close();
  }
}

export function syncDir(files: Files, op: string, path: string): void {
  const dir = files.openDir(op, path);
  try {
    dir.sync();
  } finally {
    dir.close();
  }
}

export function makeDirs(files: Files, op: string, root: string, path: string): void {
  const parts = path.split("/").slice(0, -1);
  let at = root;
  for (const part of parts) {
    at = `${at}/${part}`;
    if (files.stat(op, at) === undefined) files.makeDir(op, at, 0o700);
  }
}

/** Removes a tree that this program made: files and directories, nothing followed, at most `DEPTH_MAX` deep. */
export function removeTree(files: Files, op: string, path: string, depth = 0): void {
  if (depth > DEPTH_MAX) throw new Fault("file_unsafe", `Cannot remove ${path}: it is nested deeper than anything felhom makes`);
  const stat = files.stat(op, path);
  if (stat === undefined) return;
  if (stat.kind !== "directory") {
    files.remove(op, path);
    return;
  }
  for (const name of files.list(op, path)) removeTree(files, op, `${path}/${name}`, depth + 1);
  files.removeDir(op, path);
}
const DEPTH_MAX = 4;
