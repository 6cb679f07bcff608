import { Fault } from "../../../shared/core/fault.ts";
import type { Files } from "../../../shared/ports/files.ts";

const DEPTH_MAX = 64;

/** Removes a directory of ours with all it holds; symlinks are removed, never followed. Absence is fine. */
export function removeTree(files: Files, op: string, path: string, depth = 0): void {
  if (depth > DEPTH_MAX) throw new Fault("file_unsafe", `Cannot remove ${path}: it is deeper than anything the agent makes`);
  const stat = files.stat(op, path);
  if (stat === undefined) return;
  if (stat.kind !== "directory") {
    files.remove(op, path);
    return;
  }
  for (const name of files.list(op, path)) removeTree(files, op, `${path}/${name}`, depth + 1);
  files.removeDir(op, path);
}
