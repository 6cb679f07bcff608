/**
 * A bundle's files on disk. A tree is built beside the one in force from verified bytes alone, made durable, and swapped in by
 * one rename; so at every instant `current` names a complete, verified tree, and what the manifest does not list is not there.
 * Contents that the tree in force already has are copied from it instead of fetched. Called by the worker only.
 */
import { Fault, isFault } from "../../../shared/core/fault.ts";
import { sha256Parts } from "../../../shared/core/sha256.ts";
import type { FileHandle } from "../../../shared/ports/files.ts";
import type { World } from "../../../shared/ports/world.ts";
import type { BundlePayload } from "../../../shared/trust/payloads.ts";
import { checkTree } from "../../../shared/trust/bundle.ts";
import { refuse, type Verdict } from "../../../shared/trust/verdict.ts";
import { paths } from "../../core/desired/paths.ts";
import { removeTree } from "./remove-tree.ts";

const CHUNK_BYTES = 256 * 1024;
const DEPTH_MAX = 40;
const ENTRIES_MAX = 60_000;

/** Contents at hand, by SHA-256: where their bytes can be read. Their names are believed only after hashing what was read. */
export function knownContents(world: World, dataDir: string, bundle: BundlePayload | undefined): Map<string, string> {
  const at = paths(dataDir);
  const known = new Map<string, string>();
  if (bundle !== undefined) {
    const tree = at.bundle(bundle.version);
    for (const { path, sha256, size } of bundle.files) {
      const stat = world.files.stat("bundle.look", `${tree}/${path}`);
      if (stat?.kind === "file" && stat.size === size) known.set(sha256, `${tree}/${path}`);
    }
  }
  for (const dir of world.files.list("blobs.look", at.blobs)) {
    if (!/^[0-9a-f]{2}$/.test(dir)) continue;
    for (const name of world.files.list("blobs.look", `${at.blobs}/${dir}`)) if (/^[0-9a-f]{64}$/.test(name)) known.set(name, `${at.blobs}/${dir}/${name}`);
  }
  return known;
}

export type Staged = { readonly ok: true } | { readonly ok: false; readonly refusal: string; readonly detail: string };

/** Builds `bundle/<version>` and points `current` at it. Nothing outside staging is touched before every byte was verified. */
export function stageBundle(world: World, dataDir: string, next: BundlePayload, inForce: BundlePayload | undefined): Staged {
  const at = paths(dataDir);
  const { files } = world;
  removeTree(files, "bundle.unstage", at.staging);
  files.makeDir("bundle.stage", at.staging, 0o700);
  const known = knownContents(world, dataDir, inForce);
  const bad: string[] = [];
  const absent: string[] = [];
  for (const file of next.files) {
    const from = known.get(file.sha256);
    makeParents(world, at.staging, file.path);
    if (from === undefined) absent.push(file.path);
    else if (!copyVerified(world, from, `${at.staging}/${file.path}`, file)) {
      // Wrong bytes are of no use to anybody, in the blob store or in a damaged tree: without them the content counts as missing and is fetched.
      files.remove("blobs.discard", from);
      known.delete(file.sha256);
      bad.push(file.path);
    }
  }
  const [firstBad] = bad;
  if (firstBad !== undefined) return { ok: false, refusal: "blob_mismatch", detail: `${firstBad}${bad.length > 1 ? ` and ${bad.length - 1} more` : ""}` };
  const [firstAbsent] = absent;
  if (firstAbsent !== undefined)
    return { ok: false, refusal: "blob_missing", detail: `${firstAbsent}${absent.length > 1 ? ` and ${absent.length - 1} more` : ""}` };
  const sound = inspectTree(world, at.staging, next);
  if (!sound.ok) return { ok: false, refusal: sound.refusal, detail: sound.detail };
  syncTree(world, at.staging, 0);
  swapIn(world, dataDir, next.version);
  return { ok: true };
}

/** The tree of a bundle against its manifest, every byte. */
export function inspectTree(world: World, tree: string, bundle: BundlePayload): Verdict<BundlePayload> {
  const found = new Map<string, { sha256: string; size: number }>();
  try {
    measure(world, tree, "", 0, found);
  } catch (error) {
    if (isFault(error, "file_missing")) return refuse("blob_missing", tree);
    if (isFault(error, "file_unsafe")) return refuse("path_unsafe", error.message);
    throw error;
  }
  return checkTree(bundle, found);
}

function measure(world: World, tree: string, under: string, depth: number, found: Map<string, { sha256: string; size: number }>): void {
  if (depth > DEPTH_MAX || found.size > ENTRIES_MAX) throw new Fault("file_unsafe", `Cannot read ${tree}: it is deeper or larger than any bundle`);
  for (const name of world.files.list("bundle.inspect", `${tree}/${under}`)) {
    const path = under === "" ? name : `${under}/${name}`;
    const stat = world.files.stat("bundle.inspect", `${tree}/${path}`);
    if (stat?.kind === "directory") measure(world, tree, path, depth + 1, found);
    else if (stat?.kind === "file") found.set(path, hashFile(world, `${tree}/${path}`));
    else throw new Fault("file_unsafe", `Cannot use ${tree}: ${path} is neither a file nor a directory`);
  }
}

function hashFile(world: World, path: string): { readonly sha256: string; readonly size: number } {
  const handle = world.files.open("bundle.hash", path, "read");
  const hash = sha256Parts();
  const chunk = new Uint8Array(CHUNK_BYTES);
  let size = 0;
  try {
    for (let count = handle.read(chunk); count > 0; count = handle.read(chunk)) {
      hash.update(chunk.subarray(0, count));
      size += count;
    }
  } finally {
    handle.close();
  }
  return { sha256: hash.hex(), size };
}

/** Copies exactly `size` bytes and says whether they were the right ones. */
function copyVerified(world: World, from: string, to: string, wanted: { readonly sha256: string; readonly size: number; readonly mode: number }): boolean {
  const source = world.files.open("bundle.copy", from, "read");
  let target: FileHandle | undefined;
  try {
    target = world.files.open("bundle.copy", to, "exclusive", 0o600);
    const hash = sha256Parts();
    const chunk = new Uint8Array(CHUNK_BYTES);
    let size = 0;
    for (let count = source.read(chunk); count > 0; count = source.read(chunk)) {
      size += count;
      if (size > wanted.size) return false;
      hash.update(chunk.subarray(0, count));
      target.write(chunk.subarray(0, count));
    }
    if (size !== wanted.size || hash.hex() !== wanted.sha256) return false;
    target.chmod(wanted.mode | 0o600);
    target.sync();
    return true;
  } finally {
    target?.close();
    source.close();
  }
}

function makeParents(world: World, root: string, path: string): void {
  for (let slash = path.indexOf("/"); slash >= 0; slash = path.indexOf("/", slash + 1)) {
    const dir = `${root}/${path.slice(0, slash)}`;
    if (world.files.stat("bundle.stage", dir) === undefined) world.files.makeDir("bundle.stage", dir, 0o700);
  }
}

/** Directories, deepest first: file contents were synced as they were written, their names are on the platter after this. */
function syncTree(world: World, dir: string, depth: number): void {
  if (depth > DEPTH_MAX) throw new Fault("file_unsafe", `Cannot sync ${dir}: it is deeper than any bundle`);
  for (const name of world.files.list("bundle.sync", dir)) {
    if (world.files.stat("bundle.sync", `${dir}/${name}`)?.kind === "directory") syncTree(world, `${dir}/${name}`, depth + 1);
  }
  syncDir(world, dir);
}

function syncDir(world: World, path: string): void {
  const dir = world.files.openDir("bundle.sync", path);
  try {
    dir.sync();
  } finally {
    dir.close();
  }
}

function swapIn(world: World, dataDir: string, version: number): void {
  const at = paths(dataDir);
  const { files } = world;
  const aside = `${at.bundles}/.old-${version}`;
  removeTree(files, "bundle.swap", aside);
  // Only a tree that was damaged, or a crash between this rename and the record of it, leaves this version behind.
  if (files.stat("bundle.swap", at.bundle(version)) !== undefined) files.rename("bundle.swap", at.bundle(version), aside);
  files.rename("bundle.swap", at.staging, at.bundle(version));
  syncDir(world, at.bundles);
  const link = `${at.bundles}/.current`;
  files.remove("bundle.swap", link);
  files.symlink("bundle.swap", String(version), link);
  files.rename("bundle.swap", link, at.current);
  syncDir(world, at.bundles);
  removeTree(files, "bundle.swap", aside);
}

/** Keeps the newest `kept` trees (the one in force among them) and no blob that the candidate does not need. */
export function pruneBundles(
  world: World,
  dataDir: string,
  keep: { readonly inForce: number; readonly count: number; readonly wanted: ReadonlySet<string> },
): void {
  const at = paths(dataDir);
  const { files } = world;
  const versions = files
    .list("bundle.prune", at.bundles)
    .filter((name) => /^[1-9][0-9]*$/.test(name))
    .map(Number)
    .sort((a, b) => b - a);
  const older = versions.filter((version) => version !== keep.inForce);
  for (const version of older.slice(Math.max(1, keep.count - 1))) removeTree(files, "bundle.prune", at.bundle(version));
  for (const dir of files.list("blobs.prune", at.blobs)) {
    for (const name of files.list("blobs.prune", `${at.blobs}/${dir}`)) {
      if (!keep.wanted.has(name.slice(0, 64))) files.remove("blobs.prune", `${at.blobs}/${dir}/${name}`);
    }
  }
}
