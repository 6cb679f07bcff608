/**
 * A disposable Debian with no init of its own, for what needs none: a fresh root, chrooted into. It takes root and one mount, so it works
 * where no container can. It shares this machine's processes, network and devices; what still runs below it is killed at the end.
 */
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { check, type Debian, ENVIRONMENT, mustOf, type Ran, unpackRoot, whyNoRoot, writeIn } from "./fresh-root.ts";

/** Why no chroot can be made here; `undefined` when one can. */
export function whyNoChroot(): string | undefined {
  const noRoot = whyNoRoot();
  if (noRoot !== undefined) return noRoot;
  const dir = mkdtempSync(join(tmpdir(), "felhom-mount-"));
  try {
    return Bun.spawnSync(["mount", "-t", "proc", "proc", dir], { stderr: "ignore" }).exitCode === 0 ? undefined : "nothing can be mounted here";
  } finally {
    Bun.spawnSync(["umount", dir], { stderr: "ignore" });
    Bun.spawnSync(["rmdir", dir]);
  }
}

export function makeChroot(): Debian {
  const place = mkdtempSync(join(tmpdir(), "felhom-chroot-"));
  chmodSync(place, 0o755);
  const root = join(place, "root");
  const remove = (): void => {
    killBelow(root);
    Bun.spawnSync(["umount", "-l", join(root, "proc")], { stderr: "ignore" });
    // What is still mounted below belongs to somebody else: never cross into it.
    Bun.spawnSync(["rm", "-rf", "--one-file-system", place]);
  };
  try {
    mkdirSync(root);
    unpackRoot(root);
    check(["mount", "-t", "proc", "proc", join(root, "proc")]);
    // Nobody but a test starts anything in here: there is no init that a package could ask.
    writeIn(root, "/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755);
  } catch (error) {
    remove();
    throw error;
  }
  const run = (...argv: readonly string[]): Ran => {
    const done = Bun.spawnSync(["chroot", root, "env", "-i", ...ENVIRONMENT, ...argv], { cwd: "/", stdin: "ignore", stdout: "pipe", stderr: "pipe" });
    return { code: done.exitCode, out: done.stdout.toString(), err: done.stderr.toString() };
  };
  return { root, run, must: mustOf(run), write: (...file) => writeIn(root, ...file), remove };
}

/** Whoever has this root as its own; again and again, because it may have started others meanwhile. */
function killBelow(root: string): void {
  for (let left = processesIn(root); left.length > 0; left = processesIn(root)) {
    for (const pid of left) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It ended by itself.
      }
    }
    Bun.sleepSync(10);
  }
}

function processesIn(root: string): readonly number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        return readlinkSync(`/proc/${name}/root`) === root;
      } catch {
        return false;
      }
    })
    .map(Number);
}
