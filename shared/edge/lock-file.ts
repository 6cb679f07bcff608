/**
 * A lock that dies with its process. node:fs has no flock, so SQLite holds it for us: an EXCLUSIVE transaction on an empty
 * database file is a POSIX record lock, which the kernel drops with the process, also on kill -9. Rejected: a pid file
 * (stale after a crash, wrong after pid reuse), flock(1) as a child (one more process to supervise).
 * Never open and close the lock file by other means while it is held: POSIX drops a process's locks at any close.
 */
import { Database } from "bun:sqlite";
import { closeSync, constants, openSync } from "node:fs";
import { Fault, isFault } from "../core/fault.ts";
import { fileFault } from "./errno.ts";
import { sqliteFault } from "./sqlite-fault.ts";

/**
 * Every lock that is held, so that none ends because somebody let go of its handle: the garbage collector would close the database,
 * and the lock would be gone without a word. The one piece of state a module has here; the process owns its locks, nobody else can.
 */
const HELD = new Set<Database>();

export function lockFile(op: string, path: string, waitMs = 0): { release(): void } {
  createPrivately(op, path);
  const database = new Database(path, { readwrite: true });
  try {
    database.run(`PRAGMA busy_timeout = ${Math.trunc(waitMs)}`);
    database.run("BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    if (!isFault(sqliteFault(op, `lock ${path}`, error), "db_busy")) throw sqliteFault(op, `lock ${path}`, error);
    throw new Fault("lock_held", `Cannot lock ${path}: another process holds it`, {
      facts: { op },
      remedy: `Another felhom uses this directory: stop it first (fuser ${path} shows which)`,
      cause: error,
    });
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
