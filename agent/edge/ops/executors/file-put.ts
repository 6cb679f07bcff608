import { fromBase64 } from "../../../../shared/core/bytes.ts";
import { isFault } from "../../../../shared/core/fault.ts";
import { sha256Hex, sha256Parts } from "../../../../shared/core/sha256.ts";
import type { World } from "../../../../shared/ports/world.ts";
import { modeBits } from "../../../../shared/states/resources/fields.ts";
import { Accounts } from "../../providers/accounts.ts";
import { NOBODY_ELSE, ParentDirs } from "../../providers/parent-dirs.ts";
import { Stages } from "../../providers/stages.ts";
import { bytesContent, writeFile } from "../../providers/write-file.ts";
import { done, type Executor, failed } from "../executor.ts";

const CHUNK_BYTES = 64 * 1_024;

/** Written as a converge run writes: staged, synced, renamed; no directory on the way that somebody else could turn. */
export const filePut: Executor<"file.put"> = async ({ path, content, mode, owner, group, only_if }, { world }) => {
  const bytes = fromBase64(content) ?? new Uint8Array();
  const accounts = new Accounts(world);
  await accounts.learn([owner], [group]);
  const parents = new ParentDirs(world.files, world.self);
  try {
    const place = parents.place("op.file-put", path, NOBODY_ELSE);
    const stat = world.files.stat("op.file-put", place.at);
    if (stat !== undefined && stat.kind !== "file") return failed("file_not_regular", `${path} is a ${stat.kind}`);
    const before = stat === undefined ? undefined : hashOf(world, place.at);
    if (only_if !== undefined && (only_if === "absent" ? before !== undefined : before !== only_if))
      return failed("conflict", before === undefined ? `${path} is not there` : `${path} is now the file with sha256 ${before}`);
    const attributes = {
      mode: modeBits(mode),
      uid: owner === undefined ? (stat?.uid ?? world.self.uid) : accounts.uidOf(owner),
      gid: group === undefined ? (stat?.gid ?? world.self.gid) : accounts.gidOf(group),
    };
    writeFile(world, "op.file-put", place, bytesContent(bytes), attributes, new Stages(world));
    return done({ path, sha256: sha256Hex(bytes), size: bytes.byteLength, before: before ?? null });
  } catch (error) {
    if (!isFault(error) || error.code === "disk_failed") throw error;
    return failed(error.code, error.message);
  } finally {
    parents.close();
  }
};

function hashOf(world: World, path: string): string {
  const handle = world.files.open("op.file-put", path, "read");
  try {
    const hash = sha256Parts();
    const chunk = new Uint8Array(CHUNK_BYTES);
    for (let count = handle.read(chunk); count > 0; count = handle.read(chunk)) hash.update(chunk.subarray(0, count));
    return hash.hex();
  } finally {
    handle.close();
  }
}
