/**
 * How root writes a file (states.md): staged in the target's own directory under an unguessable name (O_EXCL | O_NOFOLLOW),
 * streamed in chunks, owner set, then mode (chown clears set-id bits), fsynced, renamed over the target, directory fsynced.
 * A reader sees the old file or the new one. What stands at the target is replaced, never followed or written into: a
 * planted link, a hard link to somebody else's file or a swap in a race leads nowhere. Content is never logged.
 */
import { hex } from "../../../shared/core/bytes.ts";
import { Fault } from "../../../shared/core/fault.ts";
import { sha256Parts } from "../../../shared/core/sha256.ts";
import type { DirHandle, FileHandle, Files } from "../../../shared/ports/files.ts";
import type { World } from "../../../shared/ports/world.ts";
import type { Place } from "./parent-dirs.ts";

export const CHUNK_BYTES = 64 * 1024;
/** Left free on the file system whatever a resource wants: a box with a full disk cannot even say so. */
export const DISK_RESERVE_BYTES = 1024 * 1024;
const STAGED = /^\.felhom-staged-[0-9a-f]{24}$/;

export interface Content {
  readonly size: number;
  /** Writes all of it to the staged file. */
  writeTo(handle: FileHandle): void;
}

export interface Attributes {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** Directories whose left-over stages (of a run that was killed) were removed in this run, by device and inode. */
export type SweptDirs = Set<string>;

export function writeFile(world: World, op: string, place: Place, content: Content, attributes: Attributes, swept: SweptDirs): void {
  const { files } = world;
  sweep(files, op, place.dir, world.self.uid, swept);
  const free = files.freeBytes(op, place.dir.path);
  if (free < content.size + DISK_RESERVE_BYTES) {
    throw new Fault("disk_full", `Cannot write ${place.real}: ${free} bytes are free, ${content.size} and a reserve of ${DISK_RESERVE_BYTES} are needed`, {
      facts: { op, free, size: content.size },
    });
  }
  const staged = `${place.dir.path}/${stagedName(world)}`;
  try {
    const handle = files.open(op, staged, "exclusive", 0o600);
    try {
      content.writeTo(handle);
      handle.chown(attributes.uid, attributes.gid);
      handle.chmod(attributes.mode);
      handle.sync();
    } finally {
      handle.close();
    }
    files.rename(op, staged, place.at);
  } catch (error) {
    removeQuietly(files, op, staged);
    throw error;
  }
  place.dir.sync();
}

export function stagedName(world: World): string {
  return `.felhom-staged-${hex(world.crypto.randomBytes(12))}`;
}

export function isStagedName(name: string): boolean {
  return STAGED.test(name);
}

export function bytesContent(bytes: Uint8Array): Content {
  return { size: bytes.byteLength, writeTo: (handle) => handle.write(bytes) };
}

/**
 * Copies from an open file in chunks: nothing above 64 KiB is held in memory. `size`, and `sha256` where given, are promises
 * that are checked on the way: what was planned is what lands, or nothing does.
 */
export function streamContent(from: FileHandle, size: number, sha256?: string): Content {
  return {
    size,
    writeTo(handle) {
      const chunk = new Uint8Array(CHUNK_BYTES);
      const hash = sha256Parts();
      let written = 0;
      for (let count = from.read(chunk); count > 0; count = from.read(chunk)) {
        written += count;
        if (written > size) break;
        hash.update(chunk.subarray(0, count));
        handle.write(chunk.subarray(0, count));
      }
      if (written !== size) throw new Fault("conflict", `Cannot copy: the file changed while it was read (${written} bytes, ${size} were expected)`);
      if (sha256 !== undefined && hash.hex() !== sha256) throw new Fault("conflict", "Cannot copy: the file changed since it was planned");
    },
  };
}

/** Stages that a kill left behind, once per directory and run. Only regular files of our own with our own name pattern. */
function sweep(files: Files, op: string, dir: DirHandle, uid: number, swept: SweptDirs): void {
  const { device, inode } = dir.stat();
  const key = `${device}:${inode}`;
  if (swept.has(key)) return;
  swept.add(key);
  for (const name of files.list(op, dir.path)) {
    if (!isStagedName(name)) continue;
    const stat = files.stat(op, `${dir.path}/${name}`);
    if ((stat?.kind === "file" || stat?.kind === "symlink") && (stat.uid === uid || uid === 0)) files.remove(op, `${dir.path}/${name}`);
  }
}

/** The first error is what is reported; a stage that stays is 0600 and swept by the next run that writes here. */
function removeQuietly(files: Files, op: string, staged: string): void {
  try {
    files.remove(op, staged);
  } catch {
    return;
  }
}
