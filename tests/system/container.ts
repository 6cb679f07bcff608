/**
 * A disposable Debian with its own systemd: a debootstrapped root (fresh-root.ts) in an LXC container that shares this machine's network.
 * It is made for one test file and removed at its end, with all that was in it. Where no container can run there is no systemd to be had,
 * and the tests that need one say so; the others do with a chroot (chroot.ts).
 */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { check, type Debian, ENVIRONMENT, hasTools, mustOf, type Ran, unpackRoot, whyNoRoot, writeIn } from "./fresh-root.ts";

const BOOT_MS_MAX = 180_000;

export interface Container extends Debian {
  /** Everything in it is killed at once; its disk stays. */
  cutPower(): void;
  boot(): void;
}

/** Why no container can be made here; `undefined` when one can. FELHOM_SYSTEM=chroot: as if none could. */
export function whyNot(): string | undefined {
  if (process.env["FELHOM_SYSTEM"] === "chroot") return "it needs systemd, and FELHOM_SYSTEM asks for a chroot";
  const noRoot = whyNoRoot();
  if (noRoot !== undefined) return noRoot;
  if (!existsSync("/sys/fs/cgroup")) return "there are no cgroups";
  if (Bun.spawnSync(["unshare", "--mount", "--pid", "--fork", "true"], { stdout: "ignore", stderr: "ignore" }).exitCode !== 0)
    return "this machine allows no namespaces";
  return hasTools("lxc-start") ? undefined : "lxc is not installed and apt-get cannot install it";
}

export function makeContainer(): Container {
  const place = mkdtempSync(join(tmpdir(), "felhom-box-"));
  chmodSync(place, 0o755);
  const name = basename(place);
  const root = join(place, "root");
  const cutPower = (): void => void Bun.spawnSync(["lxc-stop", "-P", place, "-n", name, "-k"], { stdout: "ignore", stderr: "ignore" });
  const remove = (): void => {
    cutPower();
    // What is still mounted below belongs to somebody else: never cross into it.
    Bun.spawnSync(["rm", "-rf", "--one-file-system", place]);
  };
  try {
    mkdirSync(root);
    unpackRoot(root);
  } catch (error) {
    remove();
    throw error;
  }
  const run = (...argv: readonly string[]): Ran => attach(place, name, argv);
  const boot = (): void => {
    start(place, name, root);
    awaitBoot(run);
  };
  try {
    boot();
  } catch (error) {
    remove();
    throw error;
  }
  return { root, run, must: mustOf(run), write: (...file) => writeIn(root, ...file), cutPower, boot, remove };
}

function start(place: string, name: string, root: string): void {
  const config = [
    `lxc.rootfs.path = dir:${root}`,
    `lxc.uts.name = ${name}`,
    "lxc.net.0.type = none",
    "lxc.init.cmd = /sbin/init",
    "lxc.mount.auto = proc:rw sys:rw cgroup:rw",
    "",
  ];
  writeFileSync(join(place, "config.test"), config.join("\n"));
  check(["lxc-start", "-P", place, "-n", name, "-f", join(place, "config.test"), "-d"]);
}

function attach(place: string, name: string, argv: readonly string[]): Ran {
  const env = ["--clear-env", ...ENVIRONMENT.flatMap((one) => ["-v", one])];
  const done = Bun.spawnSync(["lxc-attach", "-P", place, "-n", name, ...env, "--", ...argv], { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  return { code: done.exitCode, out: done.stdout.toString(), err: done.stderr.toString() };
}

/** `systemctl is-system-running --wait` answers once boot is over; `degraded` is a boot too. */
function awaitBoot(run: Container["run"]): void {
  const deadline = Date.now() + BOOT_MS_MAX;
  for (;;) {
    const { out } = run("systemctl", "is-system-running", "--wait");
    if (/^(?:running|degraded)/.test(out)) return;
    if (Date.now() > deadline) throw new Error(`systemd did not boot: ${out}`);
    Bun.sleepSync(200);
  }
}
