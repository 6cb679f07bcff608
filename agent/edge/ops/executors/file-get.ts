import { isFault } from "../../../../shared/core/fault.ts";
import type { FileHandle } from "../../../../shared/ports/files.ts";
import { modeText } from "../../../../shared/states/resources/fields.ts";
import { done, type Executor, failed } from "../executor.ts";

const CHUNK_BYTES = 32 * 1_024;

/** A regular file only (O_NOFOLLOW), in bounded pieces; what it is goes with the last one. */
export const fileGet: Executor<"file.get"> = async ({ path, offset, bytes_max }, { world, say, stop }) => {
  let handle: FileHandle;
  try {
    handle = world.files.open("op.file-get", path, "read");
  } catch (error) {
    if (!isFault(error) || error.code === "disk_failed") throw error;
    return failed(error.code, error.message);
  }
  try {
    const { size, mode, uid, gid, mtimeMs } = handle.stat();
    const chunk = new Uint8Array(CHUNK_BYTES);
    let at = 0;
    let sent = 0;
    while (sent < bytes_max && !stop.aborted) {
      const count = handle.read(chunk);
      if (count === 0) break;
      const from = Math.max(0, offset - at);
      const piece = chunk.slice(Math.min(from, count), Math.min(count, from + bytes_max - sent));
      at += count;
      sent += piece.byteLength;
      if (piece.byteLength > 0) say("stdout", piece);
      // Others get their turn between two pieces of a large file.
      await Promise.resolve();
    }
    if (stop.aborted) return { as: "failed", wasKilled: true, fields: {} };
    return done({ size, mode: modeText(mode), uid, gid, mtime_ms: Math.round(mtimeMs), offset, bytes: sent, whole: offset === 0 && sent === size });
  } finally {
    handle.close();
  }
};
