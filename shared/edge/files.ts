/**
 * The real file system, by synchronous node:fs calls. Opening never follows a symlink in the last component and never blocks
 * on a pipe (O_NONBLOCK); every errno becomes a `Fault`. Writes are complete or throw. (node:fs opens all descriptors
 * close-on-exec, so children inherit none.)
 */
import * as fs from "node:fs";
import { Fault } from "../core/fault.ts";
import type { DirHandle, FileHandle, Files, FileStat } from "../ports/files.ts";
import { errnoOf, fileFault } from "./errno.ts";
import { lockFile } from "./lock-file.ts";

const { O_APPEND, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = fs.constants;
const CHUNK_BYTES = 64 * 1024;

export const realFiles: Files = {
  read: (op, path, { bytesMax, follow }) => guard(op, `read ${path}`, () => readWhole(op, path, bytesMax, follow === true)),
  stat: (op, path, options) => guard(op, `stat ${path}`, () => statOrNothing(path, options?.follow === true)),
  list: (op, path) => guard(op, `list ${path}`, () => fs.readdirSync(path).sort(byCodeUnit)),
  makeDir: (op, path, mode) =>
    guard(op, `make directory ${path}`, () => {
      fs.mkdirSync(path, { mode });
      makeModeHold(path, mode);
    }),
  open: (op, path, how, mode = 0o600) => guard(op, `open ${path}`, () => openFile(op, path, how, mode)),
  openDir: (op, path) => guard(op, `open directory ${path}`, () => openDirectory(op, path)),
  rename: (op, from, to) => guard(op, `rename ${from} to ${to}`, () => fs.renameSync(from, to)),
  remove: (op, path) => guard(op, `remove ${path}`, () => removeOrFalse(path)),
  removeDir: (op, path) => guard(op, `remove directory ${path}`, () => fs.rmdirSync(path)),
  symlink: (op, target, path) => guard(op, `link ${path}`, () => fs.symlinkSync(target, path)),
  readLink: (op, path) => guard(op, `read link ${path}`, () => fs.readlinkSync(path)),
  chmod: (op, path, mode) => guard(op, `set the mode of ${path}`, () => fs.chmodSync(path, mode)),
  chown: (op, path, uid, gid) => guard(op, `set the owner of ${path}`, () => fs.lchownSync(path, uid, gid)),
  freeBytes: (op, path) =>
    guard(op, `measure the file system of ${path}`, () => {
      const { bavail, bsize } = fs.statfsSync(path);
      return bavail * bsize;
    }),
  lock: lockFile,
};

/** Whatever the umask is; by handle, because whoever owns the parent could put a symlink in the new directory's place. */
function makeModeHold(path: string, mode: number): void {
  if ((fs.lstatSync(path).mode & 0o7777) === mode) return;
  const fd = fs.openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  try {
    fs.fchmodSync(fd, mode);
  } finally {
    fs.closeSync(fd);
  }
}

function guard<T>(op: string, action: string, body: () => T): T {
  try {
    return body();
  } catch (error) {
    throw fileFault(op, action, error);
  }
}

function byCodeUnit(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function readWhole(op: string, path: string, bytesMax: number, follow: boolean): Uint8Array {
  const fd = fs.openSync(path, O_RDONLY | O_NONBLOCK | (follow ? 0 : O_NOFOLLOW));
  try {
    const stat = fs.fstatSync(fd);
    if (!stat.isFile()) throw notRegular(op, path);
    if (stat.size > bytesMax) throw tooLarge(op, path, bytesMax);
    // A file may grow while it is read, and those of /proc claim to be empty: read until the end, one byte past the bound at most.
    let whole = new Uint8Array(Math.min(bytesMax, Math.max(stat.size, 512)) + 1);
    let length = 0;
    for (;;) {
      if (length === whole.byteLength) {
        const larger = new Uint8Array(Math.min(bytesMax + 1, whole.byteLength * 2));
        larger.set(whole);
        whole = larger;
      }
      const count = fs.readSync(fd, whole, length, whole.byteLength - length, null);
      if (count === 0) return whole.slice(0, length);
      length += count;
      if (length > bytesMax) throw tooLarge(op, path, bytesMax);
    }
  } finally {
    fs.closeSync(fd);
  }
}

function tooLarge(op: string, path: string, bytesMax: number): Fault {
  return new Fault("file_too_large", `Cannot read ${path}: it is larger than ${bytesMax} bytes`, { facts: { op, bytesMax } });
}

function notRegular(op: string, path: string): Fault {
  return new Fault("file_not_regular", `Cannot open ${path}: it is not a regular file`, { facts: { op } });
}

function statOrNothing(path: string, follow: boolean): FileStat | undefined {
  try {
    return statFrom(follow ? fs.statSync(path) : fs.lstatSync(path));
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === "ENOENT" || errno === "ENOTDIR") return undefined;
    throw error;
  }
}

function statFrom(stat: fs.Stats): FileStat {
  return {
    kind: stat.isFile() ? "file" : stat.isDirectory() ? "directory" : stat.isSymbolicLink() ? "symlink" : "other",
    mode: stat.mode & 0o7777,
    uid: stat.uid,
    gid: stat.gid,
    size: stat.size,
    mtimeMs: Math.floor(stat.mtimeMs),
    inode: stat.ino,
    device: stat.dev,
    links: stat.nlink,
  };
}

function removeOrFalse(path: string): boolean {
  try {
    fs.unlinkSync(path);
    return true;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return false;
    throw error;
  }
}

const FLAGS = {
  exclusive: O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
  read: O_RDONLY | O_NONBLOCK | O_NOFOLLOW,
  append: O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK | O_NOFOLLOW,
} as const;

function openFile(op: string, path: string, how: keyof typeof FLAGS, mode: number): FileHandle {
  const fd = fs.openSync(path, FLAGS[how], mode);
  try {
    if (!fs.fstatSync(fd).isFile()) throw notRegular(op, path);
    if (how === "exclusive") fs.fchmodSync(fd, mode); // whatever the umask is
  } catch (error) {
    fs.closeSync(fd);
    throw error;
  }
  return fileHandle(op, path, fd);
}

function fileHandle(op: string, path: string, fd: number): FileHandle {
  let open = true;
  return {
    read: (into) => guard(op, `read ${path}`, () => fs.readSync(fd, into, 0, into.byteLength, null)),
    write: (bytes) =>
      guard(op, `write ${path}`, () => {
        for (let at = 0; at < bytes.byteLength; ) at += fs.writeSync(fd, bytes, at, Math.min(bytes.byteLength - at, CHUNK_BYTES * 16));
      }),
    stat: () => guard(op, `stat ${path}`, () => statFrom(fs.fstatSync(fd))),
    chmod: (mode) => guard(op, `set the mode of ${path}`, () => fs.fchmodSync(fd, mode)),
    chown: (uid, gid) => guard(op, `set the owner of ${path}`, () => fs.fchownSync(fd, uid, gid)),
    sync: () => guard(op, `sync ${path}`, () => fs.fsyncSync(fd)),
    close: () => {
      if (!open) return;
      open = false;
      guard(op, `close ${path}`, () => fs.closeSync(fd));
    },
  };
}

function openDirectory(op: string, path: string): DirHandle {
  const fd = fs.openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  let open = true;
  return {
    path: `/proc/self/fd/${fd}`,
    stat: () => guard(op, `stat ${path}`, () => statFrom(fs.fstatSync(fd))),
    sync: () => guard(op, `sync ${path}`, () => fs.fsyncSync(fd)),
    close: () => {
      if (!open) return;
      open = false;
      guard(op, `close ${path}`, () => fs.closeSync(fd));
    },
  };
}
