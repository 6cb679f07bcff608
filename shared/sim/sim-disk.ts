/**
 * A disk that forgets. Programs see the page cache; a power cut keeps of it only what was synced, plus whatever the rng lets
 * through of the rest. The model is a journalling file system at its worst: changes of directories reach the platter in order
 * (a prefix of them survives), file contents reach it only by fsync of that file (else each 4 KiB page is old, new or zero on
 * its own), and neither implies the other. So a rename without fsync of the file gives a torn file, and a rename without fsync
 * of the directory can be undone. Modes and owners are taken as durable at once.
 */
import type { Rng } from "../ports/rng.ts";
import type { Database } from "../ports/databases.ts";
import { posixError } from "./posix-error.ts";

export interface FileNode {
  readonly kind: "file";
  readonly id: number;
  mode: number;
  uid: number;
  gid: number;
  bytes: Uint8Array;
  durable: Uint8Array;
  mtimeMs: number;
  /** A SQLite database in memory instead of bytes: what it committed is durable, by SQLite's own promise. */
  sqlite?: { readonly database: Database; serialize(): Uint8Array };
  /** SQLite finds it malformed. */
  damaged?: boolean;
}

export interface DirNode {
  readonly kind: "directory";
  readonly id: number;
  mode: number;
  uid: number;
  gid: number;
  entries: Map<string, Node>;
  durable: Map<string, Node>;
  mtimeMs: number;
}

export interface LinkNode {
  readonly kind: "symlink";
  readonly id: number;
  readonly target: string;
  uid: number;
  gid: number;
  mtimeMs: number;
}

export type Node = FileNode | DirNode | LinkNode;

interface Change {
  readonly dir: DirNode;
  readonly name: string;
  readonly node: Node | undefined;
}

const PAGE_BYTES = 4096;
const LINKS_MAX = 40;

export class SimDisk {
  readonly root: DirNode;
  /** Bytes all files together may have. */
  capacityBytes: number;
  readonly #now: () => number;
  #nextId = 1;
  /** Changes of directories that are not on the platter yet, oldest first; each is atomic. */
  #journal: (readonly Change[])[] = [];
  #usedBytes = 0;

  constructor(now: () => number, capacityBytes = 1024 ** 3) {
    this.#now = now;
    this.capacityBytes = capacityBytes;
    this.root = this.newDir(0o755);
  }

  get freeBytes(): number {
    return Math.max(0, this.capacityBytes - this.#usedBytes);
  }

  newDir(mode: number): DirNode {
    return { kind: "directory", id: this.#id(), mode, uid: 0, gid: 0, entries: new Map(), durable: new Map(), mtimeMs: this.#now() };
  }

  newFile(mode: number): FileNode {
    return { kind: "file", id: this.#id(), mode, uid: 0, gid: 0, bytes: new Uint8Array(), durable: new Uint8Array(), mtimeMs: this.#now() };
  }

  newLink(target: string): LinkNode {
    return { kind: "symlink", id: this.#id(), target, uid: 0, gid: 0, mtimeMs: this.#now() };
  }

  /** What stands at `path` below `start`; throws like the kernel when the way there is not one. */
  find(start: DirNode, path: string, follow: boolean): Node | undefined {
    const { dir, name } = this.parent(start, path, 0);
    if (name === "") return dir;
    const node = dir.entries.get(name);
    return node?.kind === "symlink" && follow ? this.#follow(dir, node, 1) : node;
  }

  /** The directory that holds (or would hold) the last component; `name` is empty for the root itself. */
  parent(start: DirNode, path: string, hops: number): { readonly dir: DirNode; readonly name: string } {
    const parts = path.split("/").filter((part) => part !== "" && part !== ".");
    const name = parts.pop() ?? "";
    let dir = start;
    for (const part of parts) {
      const node = dir.entries.get(part);
      const next = node?.kind === "symlink" ? this.#follow(dir, node, hops + 1) : node;
      if (next === undefined) throw posixError("ENOENT");
      if (next.kind !== "directory") throw posixError("ENOTDIR");
      dir = next;
    }
    return { dir, name };
  }

  #follow(from: DirNode, link: LinkNode, hops: number): Node | undefined {
    if (hops > LINKS_MAX) throw posixError("ELOOP");
    const { dir, name } = this.parent(link.target.startsWith("/") ? this.root : from, link.target, hops);
    const node = name === "" ? dir : dir.entries.get(name);
    return node?.kind === "symlink" ? this.#follow(dir, node, hops + 1) : node;
  }

  /** Changes names, atomically. */
  change(...changes: readonly Change[]): void {
    for (const { dir, name, node } of changes) {
      const before = dir.entries.get(name);
      if (before?.kind === "file" && before !== node && !changes.some((other) => other.node === before)) this.#usedBytes -= before.bytes.byteLength;
      if (node === undefined) dir.entries.delete(name);
      else dir.entries.set(name, node);
      dir.mtimeMs = this.#now();
    }
    this.#journal.push(changes);
  }

  write(file: FileNode, at: number, bytes: Uint8Array): void {
    const grown = Math.max(0, at + bytes.byteLength - file.bytes.byteLength);
    if (grown > this.freeBytes) throw posixError("ENOSPC");
    const next = new Uint8Array(file.bytes.byteLength + grown);
    next.set(file.bytes);
    next.set(bytes, at);
    file.bytes = next;
    file.mtimeMs = this.#now();
    this.#usedBytes += grown;
  }

  syncFile(file: FileNode): void {
    file.durable = file.bytes;
  }

  /** Everything up to the newest change of this directory is on the platter: the journal is in order. */
  syncDir(dir: DirNode): void {
    let last = -1;
    this.#journal.forEach((changes, at) => {
      if (changes.some((change) => change.dir === dir)) last = at;
    });
    this.#commit(last + 1);
  }

  /** As a file system does by itself every few seconds. */
  syncAll(): void {
    this.#commit(this.#journal.length);
    for (const node of this.nodes()) if (node.kind === "file") this.syncFile(node);
  }

  /** The power fails: what was not synced is kept, lost or torn as the rng says. */
  powerCut(rng: Rng): void {
    // Nothing, everything, or some of what was not synced: the extremes are as likely as all between.
    const { length } = this.#journal;
    this.#commit([0, length, rng.int(length + 1)][rng.int(3)] ?? 0);
    this.#journal = [];
    this.#restore(this.root);
    this.#usedBytes = 0;
    for (const node of this.nodes()) {
      if (node.kind !== "file") continue;
      if (node.bytes !== node.durable) node.bytes = node.durable = torn(node.durable, node.bytes, rng);
      this.#usedBytes += node.bytes.byteLength;
    }
  }

  /** Every node, in a fixed order. */
  *nodes(): Generator<Node> {
    yield* walk(this.root, new Set());
  }

  /** Paths and nodes, in a fixed order, for hashing and for checkers. */
  *paths(dir: DirNode = this.root, prefix = ""): Generator<readonly [string, Node]> {
    for (const name of [...dir.entries.keys()].sort()) {
      const node = dir.entries.get(name);
      if (node === undefined) continue;
      yield [`${prefix}/${name}`, node];
      if (node.kind === "directory") yield* this.paths(node, `${prefix}/${name}`);
    }
  }

  #commit(count: number): void {
    for (const changes of this.#journal.slice(0, count)) {
      for (const { dir, name, node } of changes) {
        if (node === undefined) dir.durable.delete(name);
        else dir.durable.set(name, node);
      }
    }
    this.#journal = this.#journal.slice(count);
  }

  #restore(dir: DirNode): void {
    dir.entries = new Map(dir.durable);
    for (const node of dir.entries.values()) if (node.kind === "directory") this.#restore(node);
  }

  #id(): number {
    return this.#nextId++;
  }
}

function* walk(node: Node, seen: Set<Node>): Generator<Node> {
  if (seen.has(node)) return;
  seen.add(node);
  yield node;
  if (node.kind === "directory") for (const below of node.entries.values()) yield* walk(below, seen);
}

/** Length old or new; each page old, new, or zeros where there was none. */
function torn(old: Uint8Array, now: Uint8Array, rng: Rng): Uint8Array {
  const fate = rng.int(4);
  if (fate === 0) return old;
  if (fate === 1) return now;
  const result = new Uint8Array(rng.int(2) === 0 ? now.byteLength : Math.min(now.byteLength, rng.int(now.byteLength + 1)));
  for (let at = 0; at < result.byteLength; at += PAGE_BYTES) {
    const source = [old, now, new Uint8Array()][rng.int(3)] ?? old;
    result.set(source.subarray(at, Math.min(at + PAGE_BYTES, result.byteLength)), at);
  }
  return result;
}
