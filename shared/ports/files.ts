/**
 * The file system as felhom sees it. Calls are synchronous: they are short, ordered, and replayable; anything large
 * is read and written through handles in chunks. The first argument of every call names the operation
 * ("ledger.commit", "bundle.swap") so that a test can fail, tear or crash exactly that one.
 *
 * Every call throws a `Fault` when the world says no: `file_missing`, `file_exists`, `file_denied`, `file_too_large`,
 * `file_not_regular`, `disk_full`, `disk_failed`. Paths are absolute, or begin with a `DirHandle.path`.
 */
export interface Files {
  /** Whole content of a regular file. Follows no symlink in the last component unless `follow`. Throws `file_too_large` above `bytesMax`. */
  read(op: string, path: string, options: { readonly bytesMax: number; readonly follow?: boolean }): Uint8Array;
  /** lstat; `undefined` when nothing is there. Any other failure throws: an error is not an absence. */
  stat(op: string, path: string, options?: { readonly follow?: boolean }): FileStat | undefined;
  /** Names in a directory, sorted by code unit. */
  list(op: string, path: string): readonly string[];
  makeDir(op: string, path: string, mode: number): void;
  /** `exclusive` creates (O_CREAT|O_EXCL|O_NOFOLLOW); `read` opens an existing regular file (O_NOFOLLOW); `append` creates when absent. */
  open(op: string, path: string, how: "exclusive" | "read" | "append", mode?: number): FileHandle;
  /** O_DIRECTORY|O_NOFOLLOW. The handle's path stays valid for the same directory however its name is moved meanwhile. */
  openDir(op: string, path: string): DirHandle;
  rename(op: string, from: string, to: string): void;
  /** Removes a file or symlink. Absence is not an error: returns false. */
  remove(op: string, path: string): boolean;
  /** Removes an empty directory. */
  removeDir(op: string, path: string): void;
  symlink(op: string, target: string, path: string): void;
  readLink(op: string, path: string): string;
  chmod(op: string, path: string, mode: number): void;
  /** lchown. */
  chown(op: string, path: string, uid: number, gid: number): void;
  /** Bytes free for us on the file system that holds `path`. */
  freeBytes(op: string, path: string): number;
  /**
   * An advisory lock that dies with its process (also on kill -9). Throws `lock_held` when another process holds it, and still does
   * after `waitMs` (0 when left out): nothing else of this process goes on meanwhile, so it is for commands, not for services.
   */
  lock(op: string, path: string, waitMs?: number): { release(): void };
}

export interface FileStat {
  readonly kind: "file" | "directory" | "symlink" | "other";
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtimeMs: number;
  readonly inode: number;
  readonly device: number;
  readonly links: number;
}

export interface FileHandle {
  /** Bytes read into `into`; 0 at the end. */
  read(into: Uint8Array): number;
  /** Writes all of `bytes` or throws. */
  write(bytes: Uint8Array): void;
  stat(): FileStat;
  chmod(mode: number): void;
  chown(uid: number, gid: number): void;
  /** fsync. A failure here is never retried: the caller's process must stop (fsyncgate). */
  sync(): void;
  close(): void;
}

export interface DirHandle {
  /** A path that names this very directory, for use with every other call (`/proc/self/fd/N` on Linux). */
  readonly path: string;
  stat(): FileStat;
  sync(): void;
  close(): void;
}
