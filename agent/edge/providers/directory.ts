import { Fault } from "../../../shared/core/fault.ts";
import type { DirHandle, FileStat } from "../../../shared/ports/files.ts";
import type { DirectoryObserved, DirectoryStep, DirectoryWanted } from "../../../shared/states/resources/directory.ts";
import { BACKUP_SUFFIX, trustOf } from "./file.ts";
import { observeEach } from "./observing.ts";
import type { Place, Trust } from "./parent-dirs.ts";
import type { Provider, ProviderContext } from "./provider.ts";
import { isStagedName } from "./stages.ts";

type Make = Extract<DirectoryStep, { do: "directory.make" }>;
type Attribute = Extract<DirectoryStep, { do: "directory.attributes" }>;

const ENTRIES_MAX = 100_000;
const PURGE_DEPTH_MAX = 64;
const PARENT_MODE = 0o755;
const MOUNTS_BYTES_MAX = 4 * 1024 * 1024;

/** Directories. A purge walks by handles: it follows no link, crosses no mount and so cannot leave its directory, whatever is swapped meanwhile. */
export const directoryProvider: Provider<DirectoryWanted, DirectoryObserved, DirectoryStep> = {
  type: "directory",
  because: "directories are the same everywhere",
  async observe(context, wanted) {
    await context.accounts.learn(
      wanted.map((one) => one.owner),
      wanted.map((one) => one.group),
    );
    return observeEach(wanted, (one) => look(context, one));
  },
  async apply(context, step) {
    switch (step.do) {
      case "refuse":
        throw new Fault("conflict", `Cannot go on: ${step.reason}`);
      case "directory.make":
        await context.accounts.learn([step.owner], [step.group]);
        return make(context, step);
      case "directory.attributes":
        await context.accounts.learn([step.owner], [step.group]);
        return setAttributes(context, step);
      case "directory.purge":
        return purge(context, step.path, step.names);
      case "directory.remove":
        return removeEmpty(context, step.path);
    }
  },
};

/** The directory itself may belong to others; it is the way to it that has to be safe. */
const trustFor = (
  context: ProviderContext,
  wanted: { readonly owner?: DirectoryWanted["owner"] | undefined; readonly group?: DirectoryWanted["group"] | undefined },
): Trust => trustOf(context, wanted.owner, wanted.group, false);

function look(context: ProviderContext, wanted: DirectoryWanted): DirectoryObserved {
  const { files } = context.world;
  const place = context.parents.find("directory.observe", wanted.path, trustFor(context, wanted));
  const stat = place === undefined ? undefined : files.stat("directory.observe", place.at);
  if (place === undefined || stat === undefined) return { is: "absent" };
  if (stat.kind !== "directory") return { is: stat.kind };
  context.parents.refuseForeign("directory.observe", wanted.path, place, stat, trustFor(context, wanted));
  if (!wanted.purge && wanted.ensure !== "absent") return { is: "directory", mode: stat.mode, entries: [], ...context.accounts.ownerOf(stat) };
  const handle = files.openDir("directory.observe", place.at);
  try {
    const managed = new Set(wanted.managed);
    const isOurs = (name: string): boolean => isStagedName(name) || (name.endsWith(BACKUP_SUFFIX) && managed.has(name.slice(0, -BACKUP_SUFFIX.length)));
    const entries = files.list("directory.observe", handle.path).filter((name) => !isOurs(name));
    if (entries.length > ENTRIES_MAX) throw new Fault("too_large", `Cannot look through ${wanted.path}: it has more than ${ENTRIES_MAX} entries`);
    return { is: "directory", mode: stat.mode, entries, ...context.accounts.ownerOf(stat) };
  } finally {
    handle.close();
  }
}

function make(context: ProviderContext, step: Make): void {
  const trust = trustFor(context, step);
  if (step.parents) makeParents(context, step.path, trust);
  const place = context.parents.place("directory.make", step.path, trust);
  makeOne(
    context,
    place,
    step.path,
    step.mode,
    step.owner === undefined ? undefined : context.accounts.uidOf(step.owner),
    step.group === undefined ? undefined : context.accounts.gidOf(step.group),
  );
}

function makeParents(context: ProviderContext, path: string, trust: Trust): void {
  const parts = path.split("/").slice(1, -1);
  for (let count = 1; count <= parts.length; count++) {
    const parent = `/${parts.slice(0, count).join("/")}`;
    const place = context.parents.place("directory.make", parent, trust);
    if (context.world.files.stat("directory.make", place.at, { follow: true }) === undefined)
      makeOne(context, place, parent, PARENT_MODE, undefined, undefined);
  }
}

/** Made closed (0700), then given away, then opened: nobody looks in before it is theirs. */
function makeOne(context: ProviderContext, place: Place, path: string, mode: number, uid: number | undefined, gid: number | undefined): void {
  const { files, self } = context.world;
  files.makeDir("directory.make", place.at, 0o700);
  const handle = files.openDir("directory.make", place.at);
  try {
    const made = handle.stat();
    // Whoever owns the parent may have put another directory in its place, which is not to be given away.
    if (made.uid !== self.uid || files.list("directory.make", handle.path).length > 0)
      throw new Fault("file_unsafe", `Cannot make ${path}: it was swapped while it was made`);
    setOn(context, handle, made, { uid: uid ?? made.uid, gid: gid ?? made.gid, mode });
    handle.sync();
  } finally {
    handle.close();
  }
  place.dir.sync();
}

function setAttributes(context: ProviderContext, step: Attribute): void {
  const trust = trustFor(context, step);
  const place = context.parents.place("directory.attributes", step.path, trust);
  const handle = context.world.files.openDir("directory.attributes", place.at);
  try {
    const stat = handle.stat();
    context.parents.refuseForeign("directory.attributes", step.path, place, stat, trust);
    const uid = step.owner === undefined ? stat.uid : context.accounts.uidOf(step.owner);
    const gid = step.group === undefined ? stat.gid : context.accounts.gidOf(step.group);
    setOn(context, handle, stat, { uid, gid, mode: step.mode });
    handle.sync();
  } finally {
    handle.close();
  }
}

/** Through the handle (`…/N/.` is the directory itself): a name that is swapped meanwhile changes nothing. */
function setOn(
  context: ProviderContext,
  handle: DirHandle,
  now: FileStat,
  to: { readonly uid: number; readonly gid: number; readonly mode: number | undefined },
): void {
  const { files } = context.world;
  if (to.uid !== now.uid || to.gid !== now.gid) files.chown("directory.attributes", `${handle.path}/.`, to.uid, to.gid);
  if (to.mode !== undefined) files.chmod("directory.attributes", `${handle.path}/.`, to.mode);
}

function purge(context: ProviderContext, path: string, names: readonly string[]): void {
  const { files } = context.world;
  const place = context.parents.place("directory.purge", path, trustOfTarget(context, path));
  const handle = files.openDir("directory.purge", place.at);
  try {
    const sweep: Sweep = { context, device: handle.stat().device, mounts: mountPoints(context), left: ENTRIES_MAX };
    for (const name of names) removeTree(sweep, handle, name, `${place.real}/${name}`, 1);
    handle.sync();
  } finally {
    handle.close();
  }
}

interface Sweep {
  readonly context: ProviderContext;
  readonly device: number;
  readonly mounts: ReadonlySet<string>;
  left: number;
}

function removeTree(sweep: Sweep, dir: DirHandle, name: string, real: string, depth: number): void {
  const { files } = sweep.context.world;
  if (name === "" || name === "." || name === ".." || name.includes("/"))
    throw new Fault("file_unsafe", `Cannot purge ${JSON.stringify(name)}: it is not the name of an entry`);
  if (--sweep.left < 0) throw new Fault("too_large", `Cannot purge further: more than ${ENTRIES_MAX} entries`);
  const at = `${dir.path}/${name}`;
  const stat = files.stat("directory.purge", at);
  if (stat === undefined) return;
  if (stat.kind !== "directory") {
    files.remove("directory.purge", at);
    return;
  }
  if (depth > PURGE_DEPTH_MAX) throw new Fault("file_unsafe", `Cannot purge ${real}: more than ${PURGE_DEPTH_MAX} levels`);
  const inner = files.openDir("directory.purge", at);
  try {
    if (inner.stat().device !== sweep.device || sweep.mounts.has(real)) throw new Fault("file_unsafe", `Cannot purge ${real}: a file system is mounted there`);
    for (const child of files.list("directory.purge", inner.path)) removeTree(sweep, inner, child, `${real}/${child}`, depth + 1);
  } finally {
    inner.close();
  }
  files.removeDir("directory.purge", at);
}

/** Bind mounts of the same file system have the same device number, so the kernel's list is asked too. */
function mountPoints(context: ProviderContext): ReadonlySet<string> {
  const text = new TextDecoder().decode(context.world.files.read("directory.mounts", "/proc/self/mountinfo", { bytesMax: MOUNTS_BYTES_MAX }));
  return new Set(
    text.split("\n").map((line) => (line.split(" ")[4] ?? "").replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))),
  );
}

/** Purge and removal name no owner: the directory's own owner may own its parents too (their home), nobody else. */
function trustOfTarget(context: ProviderContext, path: string): Trust {
  const stat = context.world.files.stat("directory.purge", path);
  return { uids: stat?.kind === "directory" ? [stat.uid] : [], gids: [], followSymlinks: false };
}

function removeEmpty(context: ProviderContext, path: string): void {
  const place = context.parents.find("directory.remove", path, trustOfTarget(context, path));
  if (place === undefined || context.world.files.stat("directory.remove", place.at) === undefined) return;
  context.world.files.removeDir("directory.remove", place.at);
  place.dir.sync();
}
