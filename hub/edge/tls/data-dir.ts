/** The hub's directory: 0700, its own, locked for as long as the hub runs. Nothing in it may be written by others. */
import { Fault } from "../../../shared/core/fault.ts";
import { base64url, utf8 } from "../../../shared/core/bytes.ts";
import { durableWrite, removeStaleTemps } from "../../../shared/edge/durable-write.ts";
import type { World } from "../../../shared/ports/world.ts";
import { SETUP_TOKEN_FILE } from "../http/api/setup.ts";

const GROUP_OR_OTHERS_WRITE = 0o022;

/** Makes or checks the directory and takes its lock. Throws `file_unsafe`, `lock_held`. */
export function claimDataDir(world: World, dataDir: string): { release(): void } {
  const { files } = world;
  if (files.stat("hub.data-dir", dataDir) === undefined) files.makeDir("hub.data-dir", dataDir, 0o700);
  const stat = files.stat("hub.data-dir", dataDir);
  if (stat === undefined || stat.kind !== "directory")
    throw new Fault("file_not_regular", `Cannot use ${dataDir} as the hub's data directory: it is not a directory`);
  if ((stat.mode & GROUP_OR_OTHERS_WRITE) !== 0 || (stat.uid !== world.self.uid && stat.uid !== 0)) {
    throw new Fault("file_unsafe", `Cannot use ${dataDir} as the hub's data directory: others may write in it`, {
      remedy: `chown it to the hub's user and chmod 700 ${dataDir}`,
    });
  }
  const lock = files.lock("hub.lock", `${dataDir}/lock`);
  removeStaleTemps(files, "hub.data-dir", dataDir);
  return lock;
}

/** The setup token, made once: whoever can read it in the data directory may give this hub its fleet. Returns its path. */
export function ensureSetupToken(world: World, dataDir: string): string {
  const path = `${dataDir}/${SETUP_TOKEN_FILE}`;
  if (world.files.stat("setup.token", path) === undefined) {
    durableWrite(world.files, world.crypto, "setup.token", path, utf8(`${base64url(world.crypto.randomBytes(24))}\n`), { mode: 0o600 });
  }
  return path;
}
