/**
 * A small ext4 disk in a file on tmpfs whose power can be cut: what a process had written and not synced is in the kernel's memory, and
 * not in the file. A copy of the file, mounted (its journal replays), is the disk after the cut.
 */
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BINARY } from "../../scripts/fleet/real-fleet.ts";

const IMAGE = "48M";
const TMPFS = "1g";
const STEP_MS = 20;
const UMOUNT_MS_MAX = 30_000;

function reason(): string | undefined {
  if (process.getuid?.() !== 0) return "needs root";
  const missing = ["mkfs.ext4", "mount", "umount", "truncate", "strace"].find((tool) => Bun.which(tool) === null);
  if (missing !== undefined) return `${missing} is not installed`;
  if (!existsSync(BINARY)) return "dist/felhom is not built";
  try {
    using disk = new CutDisk();
    return existsSync(disk.path) ? undefined : "nothing was mounted";
  } catch (error) {
    return `cannot mount here: ${error instanceof Error ? error.message.slice(0, 120) : String(error)}`;
  }
}

export class CutDisk implements Disposable {
  readonly #dir = mkdtempSync(join(tmpdir(), "felhom-disk-"));
  /** Where the disk is mounted. */
  readonly path = join(this.#dir, "disk");
  readonly #after = join(this.#dir, "after");
  readonly #image = join(this.#dir, "tmpfs", "disk.img");

  constructor() {
    for (const name of ["tmpfs", "disk", "after"]) mkdirSync(join(this.#dir, name));
    try {
      sh("mount", "-t", "tmpfs", "-o", `size=${TMPFS}`, "none", join(this.#dir, "tmpfs"));
      sh("truncate", "-s", IMAGE, this.#image);
      sh("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", this.#image);
      sh("mount", "-o", "loop", this.#image, this.path);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /** Everything on it, as if whoever wrote it had synced. */
  sync(): void {
    sh("sync", "-f", this.path);
  }

  /** The file as it is at this instant: whoever writes to the disk has to stand still. */
  copy(): string {
    const copy = `${this.#image}.after`;
    sh("cp", "--sparse=always", this.#image, copy);
    return copy;
  }

  /** Shows the copied disk to `look`, at a path of its own. */
  async mounted<T>(copy: string, look: (path: string) => Promise<T>): Promise<T> {
    sh("mount", "-o", "loop", copy, this.#after);
    try {
      return await look(this.#after);
    } finally {
      await unmount(this.#after);
      rmSync(copy, { force: true });
    }
  }

  /** The power goes, and comes back: `end` ends whoever stands still, and the disk is what its file held before. */
  async cut(end: () => Promise<void>): Promise<void> {
    const copy = this.copy();
    await end();
    await unmount(this.path);
    renameSync(copy, this.#image);
    sh("mount", "-o", "loop", this.#image, this.path);
  }

  [Symbol.dispose](): void {
    for (const name of ["after", "disk", "tmpfs"]) Bun.spawnSync(["umount", "-l", join(this.#dir, name)], { stderr: "ignore" });
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

/** What was killed a moment ago, or works for what was, may hold a file for as long as it takes to end. */
async function unmount(path: string): Promise<void> {
  for (let waitedMs = 0; Bun.spawnSync(["umount", path], { stderr: "ignore" }).exitCode !== 0; waitedMs += STEP_MS) {
    if (waitedMs > UMOUNT_MS_MAX) sh("umount", path);
    await Bun.sleep(STEP_MS);
  }
}

function sh(...argv: readonly string[]): void {
  const done = Bun.spawnSync([...argv], { stdout: "ignore", stderr: "pipe" });
  if (done.exitCode !== 0) throw new Error(`${argv.join(" ")}: ${done.stderr.toString().trim()}`);
}

/** Swallows every sync: what a program without them would do. */
export const WITHOUT_SYNC = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:retval=0"] as const;

/** Why there can be no power cuts here; `undefined` when there can. */
export const noCuts = reason();
