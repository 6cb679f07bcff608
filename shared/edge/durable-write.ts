/**
 * The only way to write a file that matters: after a crash or power cut at any instant, `path` holds either the old bytes or
 * the new ones, whole, and once this returns it holds the new ones. Temp file in the same directory → write → owner and mode
 * → fsync → rename → fsync of the directory. Leaving out the first fsync gives torn files, the second a silent step back
 * (both were measured with power cuts). A temp left by a crash is found by `removeStaleTemps`.
 */
import { basename, dirname } from "node:path";
import { hex } from "../core/bytes.ts";
import type { Crypto } from "../ports/crypto.ts";
import type { Files } from "../ports/files.ts";

export interface WriteOptions {
  readonly mode: number;
  readonly uid?: number;
  readonly gid?: number;
}

const TEMP = /^\.felhom-[0-9a-f]{16}\.tmp$/;

/** `path` is absolute; its directory must exist. Replaces a symlink itself, never what it points to. Throws `Fault`s of `Files`. */
export function durableWrite(files: Files, crypto: Crypto, op: string, path: string, bytes: Uint8Array, options: WriteOptions): void {
  const dir = files.openDir(op, dirname(path));
  try {
    const temp = `${dir.path}/.felhom-${hex(crypto.randomBytes(8))}.tmp`;
    const handle = files.open(op, temp, "exclusive", 0o600);
    try {
      try {
        handle.write(bytes);
        if (options.uid !== undefined && options.gid !== undefined) handle.chown(options.uid, options.gid);
        handle.chmod(options.mode); // after chown, which clears set-id bits
        handle.sync();
      } finally {
        handle.close();
      }
      files.rename(op, temp, `${dir.path}/${basename(path)}`);
    } catch (error) {
      removeQuietly(files, op, temp);
      throw error;
    }
    dir.sync();
  } finally {
    dir.close();
  }
}

/** Removes the temps that a crash left in `dir`. Call it only while nothing else writes there. */
export function removeStaleTemps(files: Files, op: string, dir: string): number {
  const stale = files.list(op, dir).filter((name) => TEMP.test(name));
  for (const name of stale) files.remove(op, `${dir}/${name}`);
  return stale.length;
}

/** The first error is the one worth reporting; a temp that stays is swept later and was never visible under the real name. */
function removeQuietly(files: Files, op: string, temp: string): void {
  try {
    files.remove(op, temp);
  } catch {
    return;
  }
}
