/**
 * Files that only their owner may read: the workstation's directory, its vault, its sessions. Checked before they are believed:
 * a directory that others can write, or a secret that others can read, is refused rather than used.
 */
import { durableWrite } from "../../shared/edge/durable-write.ts";
import { Fault } from "../../shared/core/fault.ts";
import type { World } from "../../shared/ports/world.ts";

type Disk = Pick<World, "files" | "crypto" | "self">;

/** Makes the directory when it is missing (its parent too, as `~/.config` may be). Throws `file_unsafe` when it is not ours alone. */
export function privateDir(world: Disk, op: string, path: string): void {
  const stat = world.files.stat(op, path);
  if (stat === undefined) {
    const parent = path.slice(0, path.lastIndexOf("/"));
    if (parent !== "" && world.files.stat(op, parent) === undefined) privateDir(world, op, parent);
    world.files.makeDir(op, path, 0o700);
    return;
  }
  if (stat.kind !== "directory") throw new Fault("file_not_regular", `Cannot use ${path}: it is not a directory`);
  if (stat.uid !== world.self.uid)
    throw new Fault("file_unsafe", `Cannot use ${path}: it belongs to user ${stat.uid}, not to you (${world.self.uid})`, {
      remedy: `chown it, or choose another directory with --home.`,
    });
  if ((stat.mode & 0o022) !== 0)
    throw new Fault("file_unsafe", `Cannot use ${path}: other users can write to it (mode ${stat.mode.toString(8)})`, { remedy: `chmod 700 ${path}` });
}

/** `undefined` when there is none. Throws `file_unsafe` when anybody else may read or write it. */
export function readPrivate(world: Disk, op: string, path: string, bytesMax: number): Uint8Array | undefined {
  const stat = world.files.stat(op, path);
  if (stat === undefined) return undefined;
  if (stat.uid !== world.self.uid && world.self.uid !== 0) throw new Fault("file_unsafe", `Cannot use ${path}: it belongs to user ${stat.uid}`);
  if ((stat.mode & 0o077) !== 0)
    throw new Fault("file_unsafe", `Cannot use ${path}: other users can read or write it (mode ${stat.mode.toString(8)})`, { remedy: `chmod 600 ${path}` });
  return world.files.read(op, path, { bytesMax });
}

/** Commands beside each other hold their locks for milliseconds; one that asks its operator for a passphrase may take longer than this. */
const LOCK_WAIT_MS = 15_000;

/** Waits for its turn: a script may well run several commands at once. */
export function lockPrivate(world: Disk, op: string, path: string): { release(): void } {
  return world.files.lock(op, path, LOCK_WAIT_MS);
}

export function writePrivate(world: Disk, op: string, path: string, bytes: Uint8Array): void {
  durableWrite(world.files, world.crypto, op, path, bytes, { mode: 0o600 });
}
