/**
 * Files that are being written: what they are called, and the removal of what a kill left behind. Several of us may write in one
 * directory (an agent and `felhom local apply`, an agent's own worker and its ops, the agents of two containers), so a name says whose it
 * is, and only what nobody who lives is writing is removed:
 *
 *     .felhom-staged-<where>-<pid>-<start>-<24 random digits>
 *
 * `where` stands for this boot and this pid namespace: there a pid with its start time is one process, and the kernel says whether it lives.
 * Of any other `where` (an earlier boot, another container, another machine on a shared disk) nothing can be known, so it is left until
 * nobody touched it for an hour by the clock of the file system itself.
 *
 * A lock on each stage would say the same without a clock, and there is no flock here without foreign code.
 */
import { hex } from "../../../shared/core/bytes.ts";
import { isFault } from "../../../shared/core/fault.ts";
import { sha256HexOfText } from "../../../shared/core/sha256.ts";
import type { DirHandle, FileStat } from "../../../shared/ports/files.ts";
import type { World } from "../../../shared/ports/world.ts";
import { readProcess } from "../ops/process-mark.ts";

const STAGED = /^\.felhom-staged-([0-9a-f]{8})-(\d{1,10})-(\d{1,16})-[0-9a-f]{24}$/;
const WHERE_CHARS = 8;
const NOWHERE = "0".repeat(WHERE_CHARS);
const RANDOM_BYTES = 12;
const BOOT_ID_BYTES_MAX = 256;
/** No write goes on for so long without touching its file. */
export const UNTOUCHED_MS = 3_600_000;

export const isStagedName = (name: string): boolean => STAGED.test(name);

/** Of one run in one process. */
export class Stages {
  readonly #world: World;
  /** By device and inode: once per directory is enough. */
  readonly #swept = new Set<string>();
  #owner: string | undefined;

  constructor(world: World) {
    this.#world = world;
  }

  /** Nobody can guess it. */
  name(): string {
    return `.felhom-staged-${this.#mine()}-${hex(this.#world.crypto.randomBytes(RANDOM_BYTES))}`;
  }

  /** Removes what a kill left in `dir`; `nowMs` is the time of its file system. Only files and links of our own user (root: of all) are touched. */
  sweep(op: string, dir: DirHandle, nowMs: number): void {
    const { files, self } = this.#world;
    const { device, inode } = dir.stat();
    const key = `${device}:${inode}`;
    if (this.#swept.has(key)) return;
    this.#swept.add(key);
    for (const name of files.list(op, dir.path)) {
      if (!isStagedName(name)) continue;
      const path = `${dir.path}/${name}`;
      const stat = files.stat(op, path);
      if (stat === undefined || (stat.kind !== "file" && stat.kind !== "symlink")) continue;
      if ((self.uid === 0 || stat.uid === self.uid) && this.#isLeft(name, stat, nowMs)) files.remove(op, path);
    }
  }

  #isLeft(name: string, stat: FileStat, nowMs: number): boolean {
    const [, where = "", pid = "", start = ""] = STAGED.exec(name) ?? [];
    const here = this.#mine().slice(0, WHERE_CHARS);
    if (where !== here || where === NOWHERE) return nowMs - stat.mtimeMs > UNTOUCHED_MS;
    return readProcess(this.#world, Number(pid))?.startTicks !== Number(start);
  }

  #mine(): string {
    this.#owner ??= ownerOf(this.#world);
    return this.#owner;
  }
}

/** Where the kernel does not say, nobody can look this process up either: its stages are judged by their age. */
function ownerOf(world: World): string {
  const start = readProcess(world, world.self.pid)?.startTicks;
  const where = whereOf(world);
  return start === undefined || where === undefined ? `${NOWHERE}-0-0` : `${where}-${world.self.pid}-${start}`;
}

function whereOf({ files }: World): string | undefined {
  try {
    const boot = new TextDecoder().decode(files.read("stage.where", "/proc/sys/kernel/random/boot_id", { bytesMax: BOOT_ID_BYTES_MAX })).trim();
    return sha256HexOfText(`${boot} ${files.readLink("stage.where", "/proc/self/ns/pid")}`).slice(0, WHERE_CHARS);
  } catch (error) {
    if (isFault(error)) return undefined;
    throw error;
  }
}
