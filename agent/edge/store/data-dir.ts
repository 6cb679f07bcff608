/**
 * The data directory's own safety: it exists, it is ours, and nobody else can write in it. Whoever can write here can make the
 * agent believe what it verified before, so a wrong owner or mode is a refusal, not a warning (faults.md, attack 41).
 */
import { Fault } from "../../../shared/core/fault.ts";
import type { Files } from "../../../shared/ports/files.ts";
import type { Self } from "../../../shared/ports/self.ts";
import { paths } from "../../core/desired/paths.ts";

const PRIVATE = 0o700;

/** Creates what is missing; throws `file_unsafe` or `file_not_regular` for what is wrong. */
export function prepareDataDir(files: Files, self: Self, dataDir: string): void {
  const at = paths(dataDir);
  makeDirs(files, dataDir);
  for (const dir of [dataDir, at.identity, at.bundles, at.blobs]) {
    if (files.stat("datadir.check", dir) === undefined) files.makeDir("datadir.make", dir, PRIVATE);
    assertOurs(files, self, dir);
  }
}

/** For readers such as `status`: no directory is made. */
export function assertOurs(files: Files, self: Self, path: string): void {
  const stat = files.stat("datadir.check", path);
  if (stat === undefined) throw new Fault("file_missing", `Cannot use ${path}: it is not there`, { remedy: "felhom enroll" });
  if (stat.kind !== "directory") throw new Fault("file_not_regular", `Cannot use ${path}: it is a ${stat.kind}, not a directory`);
  if (stat.uid !== self.uid)
    throw new Fault("file_unsafe", `Cannot use ${path}: it belongs to user ${stat.uid}, and this is user ${self.uid}`, { remedy: `chown ${self.uid} ${path}` });
  if ((stat.mode & 0o022) !== 0)
    throw new Fault("file_unsafe", `Cannot use ${path}: others can write in it (mode ${(stat.mode & 0o777).toString(8)})`, { remedy: `chmod go-w ${path}` });
}

function makeDirs(files: Files, path: string): void {
  if (path === "/" || files.stat("datadir.check", path, { follow: true }) !== undefined) return;
  makeDirs(files, path.slice(0, Math.max(1, path.lastIndexOf("/"))));
  files.makeDir("datadir.make", path, path.includes("/felhom") ? PRIVATE : 0o755);
}
