/**
 * A lock that dies with its process. node:fs has no flock, so SQLite holds it for us: an EXCLUSIVE transaction on an empty
 * database file is a POSIX record lock, which the kernel drops with the process, also on kill -9. Rejected: a pid file
 * (stale after a crash, wrong after pid reuse), flock(1) as a child (one more process to supervise).
 * Never open and close the lock file by other means while it is held: POSIX drops a process's locks at any close.
 */
import { Database } from "bun:sqlite";
import { closeSync, constants, openSync } from "node:fs";
import { Fault } from "../core/fault.ts";
import { fileFault } from "./errno.ts";

/**
 * Every lock that is held, so that none ends because somebody let go of its handle: the garbage collector would close the database,
 * and the lock would be gone without a word. The one piece of state a module has here; the process owns its locks, nobody else can.
 */
const HELD = new Set<Database>();

export function lockFile(op: string, path: string): { release(): void } {
  createPrivately(op, path);
  const database = new Database(path, { readwrite: true });
  try {
    database.run("PRAGMA busy_timeout = 0");
    database.run("BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    throw new Fault("lock_held", `Cannot lock ${path}: another process holds it`, { facts: { op }, cause: error });
  }
  HELD.add(database);
  return {
    release: () => {
      if (!HELD.delete(database)) return;
      database.run("ROLLBACK");
      database.close();
    },
  };
}

/** With mode 0600 from its first instant: SQLite itself would take the umask's word. An existing file is left alone. */
function createPrivately(op: string, path: string): void {
  try {
    closeSync(openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600));
  } catch (error) {
    const fault = fileFault(op, `lock ${path}`, error);
    if (fault.code !== "file_exists") throw fault;
  }
}
