/** `Files` on a simulated disk, for one process. Errors are made as the kernel would make them and mapped like the real ones. */
import { Fault } from "../core/fault.ts";
import { fileFault } from "../edge/errno.ts";
import type { DirHandle, FileHandle, Files, FileStat } from "../ports/files.ts";
import { posixError } from "./posix-error.ts";
import type { DirNode, FileNode, Node, SimDisk } from "./sim-disk.ts";
import { type EffectKind, ProcessDied, type SimProcess } from "./sim-process.ts";

/** Which process holds which lock file of one disk. */
export type SimLocks = Map<Node, SimProcess>;

const FD_PATH = /^\/proc\/self\/fd\/(\d+)(?=\/|$)/;

export function simFiles(process: SimProcess, disk: SimDisk, locks: SimLocks): Files {
  return new FilesOfProcess(process, disk, locks).files();
}

class FilesOfProcess {
  readonly #process: SimProcess;
  readonly #disk: SimDisk;
  readonly #locks: SimLocks;
  readonly #dirs = new Map<number, DirNode>();
  #nextFd = 3;

  constructor(process: SimProcess, disk: SimDisk, locks: SimLocks) {
    this.#process = process;
    this.#disk = disk;
    this.#locks = locks;
  }

  files(): Files {
    return {
      read: (op, path, { bytesMax, follow }) => this.#do(op, "read", `read ${path}`, () => this.#read(op, path, bytesMax, follow === true)),
      stat: (op, path, options) => this.#do(op, "read", `stat ${path}`, () => this.#stat(path, options?.follow === true)),
      list: (op, path) => this.#do(op, "read", `list ${path}`, () => [...asDir(this.#at(path, true)).entries.keys()].sort(byCodeUnit)),
      makeDir: (op, path, mode) => this.#do(op, "write", `make directory ${path}`, () => this.#add(path, this.#disk.newDir(mode))),
      open: (op, path, how, mode) => this.#do(op, how === "read" ? "read" : "write", `open ${path}`, () => this.#open(op, path, how, mode ?? 0o600)),
      openDir: (op, path) => this.#do(op, "read", `open directory ${path}`, () => this.#openDir(op, path)),
      rename: (op, from, to) => this.#do(op, "rename", `rename ${from} to ${to}`, () => this.#rename(from, to)),
      remove: (op, path) => this.#do(op, "write", `remove ${path}`, () => this.#remove(path)),
      removeDir: (op, path) => this.#do(op, "write", `remove directory ${path}`, () => this.#removeDir(path)),
      symlink: (op, target, path) => this.#do(op, "write", `link ${path}`, () => this.#add(path, this.#disk.newLink(target))),
      readLink: (op, path) => this.#do(op, "read", `read link ${path}`, () => this.#readLink(path)),
      chmod: (op, path, mode) => this.#do(op, "write", `set the mode of ${path}`, () => this.#chmod(path, mode)),
      chown: (op, path, uid, gid) => this.#do(op, "write", `set the owner of ${path}`, () => void Object.assign(this.#at(path, false), { uid, gid })),
      freeBytes: (op, path) => this.#do(op, "read", `measure ${path}`, () => (this.#at(path, true), this.#disk.freeBytes)),
      lock: (op, path) => this.#do(op, "write", `lock ${path}`, () => this.#lock(op, path)),
    };
  }

  #do<T>(op: string, kind: EffectKind, action: string, body: () => T): T {
    try {
      return this.#process.effect(op, kind, body);
    } catch (error) {
      throw error instanceof ProcessDied ? error : fileFault(op, action, error);
    }
  }

  #start(path: string): { readonly start: DirNode; readonly rest: string } {
    const fd = FD_PATH.exec(path)?.[1];
    if (fd === undefined) return { start: this.#disk.root, rest: path };
    const start = this.#dirs.get(Number(fd));
    if (start === undefined) throw posixError("ENOENT");
    return { start, rest: path.replace(FD_PATH, "") };
  }

  #find(path: string, follow: boolean): Node | undefined {
    const { start, rest } = this.#start(path);
    return this.#disk.find(start, rest, follow);
  }

  #at(path: string, follow: boolean): Node {
    const node = this.#find(path, follow);
    if (node === undefined) throw posixError("ENOENT");
    return node;
  }

  #parent(path: string): { readonly dir: DirNode; readonly name: string } {
    const { start, rest } = this.#start(path);
    return this.#disk.parent(start, rest, 0);
  }

  #add(path: string, node: Node): void {
    const { dir, name } = this.#parent(path);
    if (name === "" || dir.entries.has(name)) throw posixError("EEXIST");
    this.#disk.change({ dir, name, node });
  }

  #read(op: string, path: string, bytesMax: number, follow: boolean): Uint8Array {
    const bytes = contentOf(asFile(op, path, this.#at(path, follow)));
    if (bytes.byteLength > bytesMax) throw new Fault("file_too_large", `Cannot read ${path}: it is larger than ${bytesMax} bytes`, { facts: { op, bytesMax } });
    return bytes.slice();
  }

  #stat(path: string, follow: boolean): FileStat | undefined {
    try {
      const node = this.#find(path, follow);
      return node === undefined ? undefined : statOf(node);
    } catch (error) {
      if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR")) return undefined;
      throw error;
    }
  }

  #open(op: string, path: string, how: "exclusive" | "read" | "append", mode: number): FileHandle {
    if (how === "exclusive") {
      const file = this.#disk.newFile(mode);
      this.#add(path, file);
      return this.#handle(op, path, file);
    }
    const there = this.#find(path, false);
    if (there !== undefined) return this.#handle(op, path, asFile(op, path, there));
    if (how === "read") throw posixError("ENOENT");
    const file = this.#disk.newFile(mode);
    this.#add(path, file);
    return this.#handle(op, path, file);
  }

  #handle(op: string, path: string, file: FileNode): FileHandle {
    let at = 0;
    return {
      read: (into) =>
        this.#do(op, "read", `read ${path}`, () => {
          const part = contentOf(file).subarray(at, at + into.byteLength);
          into.set(part);
          at += part.byteLength;
          return part.byteLength;
        }),
      write: (bytes) => this.#do(op, "write", `write ${path}`, () => this.#disk.write(file, file.bytes.byteLength, bytes)),
      stat: () => this.#do(op, "read", `stat ${path}`, () => statOf(file)),
      chmod: (mode) => this.#do(op, "write", `set the mode of ${path}`, () => void (file.mode = mode)),
      chown: (uid, gid) => this.#do(op, "write", `set the owner of ${path}`, () => void Object.assign(file, { uid, gid })),
      sync: () => this.#do(op, "sync", `sync ${path}`, () => this.#disk.syncFile(file)),
      close: () => undefined,
    };
  }

  #openDir(op: string, path: string): DirHandle {
    const node = this.#at(path, false);
    if (node.kind === "symlink") throw posixError("ELOOP");
    const dir = asDir(node);
    const fd = this.#nextFd;
    this.#nextFd += 1;
    this.#dirs.set(fd, dir);
    return {
      path: `/proc/self/fd/${fd}`,
      stat: () => this.#do(op, "read", `stat ${path}`, () => statOf(dir)),
      sync: () => this.#do(op, "sync", `sync ${path}`, () => this.#disk.syncDir(dir)),
      close: () => void this.#dirs.delete(fd),
    };
  }

  #rename(from: string, to: string): void {
    const source = this.#parent(from);
    const target = this.#parent(to);
    const node = source.dir.entries.get(source.name);
    if (node === undefined) throw posixError("ENOENT");
    const there = target.dir.entries.get(target.name);
    if (there?.kind === "directory") {
      if (node.kind !== "directory") throw posixError("EISDIR");
      if (there.entries.size > 0) throw posixError("ENOTEMPTY");
    } else if (there !== undefined && node.kind === "directory") throw posixError("ENOTDIR");
    if (there === node) return;
    this.#disk.change({ ...source, node: undefined }, { ...target, node });
  }

  #remove(path: string): boolean {
    const { dir, name } = this.#parent(path);
    const node = dir.entries.get(name);
    if (node === undefined) return false;
    if (node.kind === "directory") throw posixError("EISDIR");
    this.#disk.change({ dir, name, node: undefined });
    return true;
  }

  #removeDir(path: string): void {
    const { dir, name } = this.#parent(path);
    const node = asDir(this.#at(path, false));
    if (node.entries.size > 0) throw posixError("ENOTEMPTY");
    this.#disk.change({ dir, name, node: undefined });
  }

  #readLink(path: string): string {
    const node = this.#at(path, false);
    if (node.kind !== "symlink") throw posixError("EINVAL");
    return node.target;
  }

  #chmod(path: string, mode: number): void {
    const node = this.#at(path, true);
    if (node.kind !== "symlink") node.mode = mode;
  }

  #lock(op: string, path: string): { release(): void } {
    if (this.#find(path, false) === undefined) this.#add(path, this.#disk.newFile(0o600));
    const node = this.#at(path, false);
    const holder = this.#locks.get(node);
    if (holder?.alive === true) throw new Fault("lock_held", `Cannot lock ${path}: another process holds it`, { facts: { op } });
    this.#locks.set(node, this.#process);
    let held = true;
    return {
      release: () => {
        if (held && this.#locks.get(node) === this.#process) this.#locks.delete(node);
        held = false;
      },
    };
  }
}

function byCodeUnit(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function contentOf(file: FileNode): Uint8Array {
  return file.sqlite === undefined ? file.bytes : file.sqlite.serialize();
}

function asDir(node: Node): DirNode {
  if (node.kind !== "directory") throw posixError("ENOTDIR");
  return node;
}

function asFile(op: string, path: string, node: Node): FileNode {
  if (node.kind === "symlink") throw posixError("ELOOP");
  if (node.kind === "directory") throw new Fault("file_not_regular", `Cannot open ${path}: it is not a regular file`, { facts: { op } });
  return node;
}

function statOf(node: Node): FileStat {
  return {
    kind: node.kind,
    mode: node.kind === "symlink" ? 0o777 : node.mode,
    uid: node.uid,
    gid: node.gid,
    size: node.kind === "file" ? contentOf(node).byteLength : node.kind === "symlink" ? node.target.length : PAGE,
    mtimeMs: node.mtimeMs,
    inode: node.id,
    device: 1,
    links: node.kind === "directory" ? 2 : 1,
  };
}

const PAGE = 4096;
