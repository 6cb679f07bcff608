/**
 * How root writes a file (states.md): staged in the target's own directory under an unguessable name (O_EXCL | O_NOFOLLOW),
 * streamed in chunks, owner set, then mode (chown clears set-id bits), fsynced, renamed over the target, directory fsynced.
 * A reader sees the old file or the new one. What stands at the target is replaced, never followed or written into: a
 * planted link, a hard link to somebody else's file or a swap in a race leads nowhere. Content is never logged.
 */
import { Fault } from "../../../shared/core/fault.ts";
import { sha256Parts } from "../../../shared/core/sha256.ts";
import type { FileHandle, Files } from "../../../shared/ports/files.ts";
import type { World } from "../../../shared/ports/world.ts";
import type { Place } from "./parent-dirs.ts";
import type { Stages } from "./stages.ts";

export const CHUNK_BYTES = 64 * 1024;
/** Left free on the file system whatever a resource wants: a box with a full disk cannot even say so. */
export const DISK_RESERVE_BYTES = 1024 * 1024;

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

export function writeFile(world: World, op: string, place: Place, content: Content, attributes: Attributes, stages: Stages): void {
  const { files } = world;
  const staged = `${place.dir.path}/${stages.name()}`;
  try {
    const handle = files.open(op, staged, "exclusive", 0o600);
    try {
      // What is made this moment tells the time of the file system.
      stages.sweep(op, place.dir, handle.stat().mtimeMs);
      expectRoom(files, op, place, content.size);
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

function expectRoom(files: Files, op: string, place: Place, size: number): void {
  const free = files.freeBytes(op, place.dir.path);
  if (free < size + DISK_RESERVE_BYTES) {
    throw new Fault("disk_full", `Cannot write ${place.real}: ${free} bytes are free, ${size} and a reserve of ${DISK_RESERVE_BYTES} are needed`, {
      facts: { op, free, size },
    });
  }
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

/** The first error is what is reported; a stage that stays is 0600 and swept by the next run that writes here. */
function removeQuietly(files: Files, op: string, staged: string): void {
  try {
    files.remove(op, staged);
  } catch {
    return;
  }
}
