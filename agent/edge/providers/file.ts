import { Fault, isFault } from "../../../shared/core/fault.ts";
import { utf8 } from "../../../shared/core/bytes.ts";
import { sha256Hex, sha256Parts } from "../../../shared/core/sha256.ts";
import type { FileHandle, FileStat } from "../../../shared/ports/files.ts";
import type { Principal } from "../../../shared/states/resources/fields.ts";
import type { ContentRef, FileContent, FileObserved, FileStep, FileWanted } from "../../../shared/states/resources/file.ts";
import { observeEach } from "./observing.ts";
import type { Place, Trust } from "./parent-dirs.ts";
import type { Provider, ProviderContext } from "./provider.ts";
import { bytesContent, CHUNK_BYTES, streamContent, writeFile, type Content } from "./write-file.ts";

type Write = Extract<FileStep, { do: "file.write" }>;
type Attribute = Extract<FileStep, { do: "file.attributes" }>;
type Remove = Extract<FileStep, { do: "file.remove" }>;

const SET_ID_BITS = 0o6000;
export const BACKUP_SUFFIX = ".felhom-backup";

/**
 * Regular files. An unchanged file costs one lstat and one read through a cached directory handle: 1 000 of them stay far
 * below a tenth of a second.
 */
export const fileProvider: Provider<FileWanted, FileObserved, FileStep> = {
  type: "file",
  because: "regular files are the same everywhere",
  async observe(context, wanted) {
    await context.accounts.learn(
      wanted.map((one) => one.owner),
      wanted.map((one) => one.group),
    );
    const chunk = new Uint8Array(CHUNK_BYTES);
    return observeEach(wanted, (one) => look(context, one, chunk));
  },
  async apply(context, step) {
    if (step.do === "refuse") throw new Fault("conflict", `Cannot go on: ${step.reason}`);
    await context.accounts.learn(step.do === "file.remove" ? [] : [step.owner], step.do === "file.remove" ? [] : [step.group]);
    switch (step.do) {
      case "file.write":
        return write(context, step);
      case "file.attributes":
        return setAttributes(context, step);
      case "file.remove":
        return remove(context, step);
    }
  },
};

/** Whoever a file is given to may own the directory it lies in. A name that does not exist yet trusts nobody. */
export function trustOf(context: ProviderContext, owner: Principal | undefined, group: Principal | undefined, followSymlinks: boolean): Trust {
  const uid = typeof owner === "string" ? context.accounts.users().get(owner)?.uid : owner;
  const gid = typeof group === "string" ? context.accounts.groups().get(group)?.gid : group;
  return { uids: uid === undefined ? [] : [uid], gids: gid === undefined ? [] : [gid], followSymlinks };
}

function look(context: ProviderContext, wanted: FileWanted, chunk: Uint8Array): FileObserved {
  const source = wanted.source === undefined ? undefined : sourceRef(context, wanted.source, chunk);
  const withSource = source === undefined ? {} : { source };
  const trust = trustOf(context, wanted.owner, wanted.group, wanted.followSymlinks);
  const place = context.parents.findFollowed("file.observe", wanted.path, trust);
  const stat = place === undefined ? undefined : context.world.files.stat("file.observe", place.at);
  if (place === undefined || stat === undefined) return { target: { is: "absent" }, ...withSource };
  context.parents.refuseForeign("file.observe", wanted.path, place, stat, trust);
  if (stat.kind !== "file") return { target: { is: stat.kind }, ...withSource };
  const seen = hashed(context, place.at, stat.size, chunk);
  return { target: { is: "file", mode: seen.stat.mode, ...seen.ref, ...context.accounts.ownerOf(seen.stat) }, ...withSource };
}

/** The stat is that of the very file whose bytes were hashed, in whatever way its name is moved meanwhile. */
function hashed(context: ProviderContext, path: string, sizeHint: number, chunk: Uint8Array): { ref: ContentRef; stat: FileStat } {
  const handle = context.world.files.open("file.observe", path, "read");
  try {
    const stat = handle.stat();
    if (sizeHint < chunk.byteLength) {
      const first = handle.read(chunk);
      const end = first === 0 ? 0 : handle.read(chunk.subarray(first));
      if (end === 0) return { ref: { sha256: sha256Hex(chunk.subarray(0, first)), size: first }, stat };
      return { ref: rest(handle, chunk, first + end), stat };
    }
    return { ref: rest(handle, chunk, 0), stat };
  } finally {
    handle.close();
  }
}

function rest(handle: FileHandle, chunk: Uint8Array, held: number): ContentRef {
  const hash = sha256Parts();
  hash.update(chunk.subarray(0, held));
  let size = held;
  for (let count = handle.read(chunk); count > 0; count = handle.read(chunk)) {
    hash.update(chunk.subarray(0, count));
    size += count;
  }
  return { sha256: hash.hex(), size };
}

function sourceRef(context: ProviderContext, source: string, chunk: Uint8Array): ContentRef | undefined {
  try {
    return hashed(context, `${context.treeDir}/${source}`, CHUNK_BYTES, chunk).ref;
  } catch (error) {
    if (isFault(error, "file_missing")) return undefined;
    throw error;
  }
}

function write(context: ProviderContext, step: Write): void {
  const { world, parents, accounts } = context;
  const trust = trustOf(context, step.owner, step.group, step.followSymlinks);
  const place = parents.findFollowed("file.write", step.path, trust) ?? parents.place("file.write", step.path, trust);
  const old = world.files.stat("file.write", place.at);
  if (old?.kind === "directory" || old?.kind === "other")
    throw new Fault("file_not_regular", `Cannot write ${step.path}: a directory, device, pipe or socket is in its place`);
  parents.refuseForeign("file.write", step.path, place, old, trust);
  const kept = old?.kind === "file" ? old : undefined;
  const attributes = {
    mode: step.mode,
    uid: step.owner === undefined ? (kept?.uid ?? world.self.uid) : accounts.uidOf(step.owner),
    gid: step.group === undefined ? (kept?.gid ?? world.self.gid) : accounts.gidOf(step.group),
  };
  if (step.backup && kept !== undefined) backup(context, place, kept);
  withContent(context, step.content, (content) => writeFile(world, "file.write", place, content, attributes, context.stages));
}

function withContent(context: ProviderContext, content: FileContent, use: (content: Content) => void): void {
  if (content.from !== "source") return use(bytesContent(content.from === "inline" ? utf8(content.text) : new Uint8Array()));
  const handle = context.world.files.open("file.source", `${context.treeDir}/${content.source}`, "read");
  try {
    use(streamContent(handle, content.size, content.sha256));
  } finally {
    handle.close();
  }
}

/** A copy beside the file, with its owner and mode but never its set-id bits: two set-uid programs are one too many. */
function backup(context: ProviderContext, place: Place, old: FileStat): void {
  const { world } = context;
  const handle = world.files.open("file.backup", place.at, "read");
  try {
    const { size, mode, uid, gid } = handle.stat();
    const beside: Place = { ...place, at: `${place.at}${BACKUP_SUFFIX}`, name: `${place.name}${BACKUP_SUFFIX}`, real: `${place.real}${BACKUP_SUFFIX}` };
    const there = world.files.stat("file.backup", beside.at);
    if (there !== undefined && there.kind !== "file" && there.kind !== "symlink")
      throw new Fault("file_not_regular", `Cannot keep a backup of ${place.real}: ${beside.real} is not a file`);
    writeFile(
      world,
      "file.backup",
      beside,
      streamContent(handle, size),
      { mode: mode & ~SET_ID_BITS, uid: uid ?? old.uid, gid: gid ?? old.gid },
      context.stages,
    );
  } finally {
    handle.close();
  }
}

function setAttributes(context: ProviderContext, step: Attribute): void {
  const { world, parents, accounts } = context;
  const trust = trustOf(context, step.owner, step.group, step.followSymlinks);
  const place = parents.findFollowed("file.attributes", step.path, trust) ?? parents.place("file.attributes", step.path, trust);
  const handle = world.files.open("file.attributes", place.at, "read");
  try {
    const stat = handle.stat();
    parents.refuseForeign("file.attributes", step.path, place, stat, trust);
    const wanted = {
      uid: step.owner === undefined ? stat.uid : accounts.uidOf(step.owner),
      gid: step.group === undefined ? stat.gid : accounts.gidOf(step.group),
      mode: step.mode ?? stat.mode,
    };
    if (stat.links > 1) {
      // Another name of the same file may be somebody's plant: a hard link to /etc/shadow is not to be opened to the world. Where
      // only root can make links it is root's own: there the file is cut loose. Elsewhere even a copy would give its bytes away.
      if (!place.isPrivate) throw new Fault("file_unsafe", `Cannot change ${step.path}: it is a hard link in a directory that others may write`);
      writeFile(world, "file.attributes", place, streamContent(handle, stat.size), wanted, context.stages);
      return;
    }
    if (wanted.uid !== stat.uid || wanted.gid !== stat.gid) handle.chown(wanted.uid, wanted.gid);
    if (step.mode !== undefined) handle.chmod(step.mode);
    handle.sync();
  } finally {
    handle.close();
  }
}

function remove(context: ProviderContext, step: Remove): void {
  const { world, parents } = context;
  const trust = trustOf(context, undefined, undefined, step.followSymlinks);
  const place = parents.find("file.remove", step.path, trust);
  const stat = place === undefined ? undefined : world.files.stat("file.remove", place.at);
  if (place === undefined || stat === undefined) return;
  if (stat.kind === "directory") throw new Fault("file_not_regular", `Cannot remove ${step.path}: it is a directory`);
  if (step.backup && stat.kind === "file") backup(context, place, stat);
  world.files.remove("file.remove", place.at);
  place.dir.sync();
}
