/**
 * A disposable Debian with its own systemd: a debootstrapped root in an LXC container that shares this machine's network. It is
 * made for one test file and removed at its end, with all that was in it; what stays is the tarball of the fresh root in the
 * cache directory (35 s to make, 2 s to unpack).
 */
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { homedir, tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";

const PACKAGES = "systemd-sysv,dbus,iproute2,ca-certificates";
const BOOT_MS_MAX = 60_000;
const PROJECT = dirname(dirname(import.meta.dir));
export const BINARY = join(PROJECT, "dist", "felhom");
/** Of the container's own: applied to the shared network of this machine they would outlive it. */
const MASKED = [
  "systemd-sysctl.service",
  "systemd-networkd.service",
  "systemd-resolved.service",
  "systemd-timesyncd.service",
  "systemd-udevd.service",
  "systemd-udev-trigger.service",
];

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface Container {
  /** Where its root is on this machine. */
  readonly root: string;
  run(...argv: readonly string[]): Ran;
  /** Throws with what it printed unless it ends with 0. Returns stdout. */
  must(...argv: readonly string[]): string;
  write(path: string, text: string, mode?: number): void;
  /** Everything in it is killed at once; its disk stays. */
  cutPower(): void;
  boot(): void;
  remove(): void;
}

/** Why no container can be made here; `undefined` when one can. */
export function whyNot(): string | undefined {
  if (process.getuid?.() !== 0) return "only root can make containers";
  if (!existsSync("/usr/bin/apt-get")) return "this is not a Debian";
  if (!existsSync("/sys/fs/cgroup")) return "there are no cgroups";
  if (Bun.spawnSync(["unshare", "--mount", "--pid", "--fork", "true"], { stdout: "ignore", stderr: "ignore" }).exitCode !== 0)
    return "this machine allows no namespaces";
  for (const tool of ["lxc-start", "debootstrap"]) if (Bun.which(tool) === null && !install()) return `${tool} is not installed and apt-get cannot install it`;
  return undefined;
}

function install(): boolean {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const attempt = (): boolean =>
    Bun.spawnSync(["apt-get", "install", "-y", "-q", "--no-install-recommends", "lxc", "debootstrap"], { env, stdout: "ignore", stderr: "ignore" }).exitCode ===
    0;
  return attempt() || (Bun.spawnSync(["apt-get", "update", "-q"], { env, stdout: "ignore", stderr: "ignore" }).exitCode === 0 && attempt());
}

/** An init that does nothing but reap: what a machine without a running systemd looks like to felhom. */
const IDLE_INIT = "#!/bin/bash\nwhile :; do\n  sleep 3600 &\n  wait $!\ndone\n";

/** `init`: systemd, or next to nothing. */
export function makeContainer(init: "systemd" | "none"): Container {
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
    check(["tar", "-xf", freshRoot(), "-C", root, "--numeric-owner"]);
    prepare(root);
  } catch (error) {
    remove();
    throw error;
  }
  const run = (...argv: readonly string[]): Ran => attach(place, name, argv);
  const must = (...argv: readonly string[]): string => {
    const done = run(...argv);
    if (done.code !== 0) throw new Error(`${argv.join(" ")} ended with ${done.code}:\n${done.out}${done.err}`);
    return done.out;
  };
  const boot = (): void => {
    start(place, name, root, init);
    if (init === "systemd") awaitBoot(run);
  };
  try {
    boot();
  } catch (error) {
    remove();
    throw error;
  }
  const write = (path: string, text: string, mode = 0o644): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
    chmodSync(join(root, path), mode);
  };
  return { root, run, must, write, cutPower, boot, remove };
}

function check(argv: readonly [string, ...string[]]): void {
  const done = Bun.spawnSync([...argv], { stdout: "ignore", stderr: "pipe" });
  if (done.exitCode !== 0) throw new Error(`${argv.join(" ")} ended with ${done.exitCode}: ${done.stderr.toString().slice(-2_000)}`);
}

function freshRoot(): string {
  const codename = /^VERSION_CODENAME=(\S+)$/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? "bookworm";
  const cache = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "felhom-test");
  const tarball = join(cache, `${codename}-${process.arch}.tar`);
  if (existsSync(tarball)) return tarball;
  mkdirSync(cache, { recursive: true });
  const scratch = mkdtempSync(join(tmpdir(), "felhom-root-"));
  try {
    check(["debootstrap", "--variant=minbase", `--include=${PACKAGES}`, codename, join(scratch, "root")]);
    check(["tar", "-cf", join(cache, `.${process.pid}.tar`), "-C", join(scratch, "root"), "--numeric-owner", "."]);
    renameSync(join(cache, `.${process.pid}.tar`), tarball);
  } finally {
    Bun.spawnSync(["rm", "-rf", "--one-file-system", scratch]);
  }
  return tarball;
}

/** apt works in there as it does here: the same Debian sources, keys, settings and proxy. And felhom is installed. */
function prepare(root: string): void {
  const apt = join(root, "etc/apt");
  rmSync(join(apt, "sources.list"), { force: true });
  for (const part of ["apt.conf.d", "trusted.gpg.d", "keyrings", "auth.conf.d"])
    if (existsSync(`/etc/apt/${part}`)) cpSync(`/etc/apt/${part}`, join(apt, part), { recursive: true, dereference: true });
  cpSync("/usr/share/keyrings", join(root, "usr/share/keyrings"), { recursive: true, dereference: true });
  const sources = ["/etc/apt/sources.list", ...readdirSync("/etc/apt/sources.list.d").map((name) => `/etc/apt/sources.list.d/${name}`)];
  const debian = sources.filter(
    (path) => /\.(?:list|sources)$/.test(path) && existsSync(path) && /^[^#]*\/(?:debian|ubuntu)\b/m.test(readFileSync(path, "utf8")),
  );
  mkdirSync(join(apt, "sources.list.d"), { recursive: true });
  for (const path of debian) cpSync(path, join(apt, "sources.list.d", basename(path)));
  const proxy = process.env["http_proxy"] ?? process.env["HTTP_PROXY"];
  if (proxy !== undefined && proxy !== "") writeFileSync(join(apt, "apt.conf.d/99proxy"), `Acquire::http::Proxy "${proxy}";\n`);
  rmSync(join(root, "etc/resolv.conf"), { force: true });
  cpSync("/etc/resolv.conf", join(root, "etc/resolv.conf"), { dereference: true });
  for (const unit of MASKED) {
    rmSync(join(root, "etc/systemd/system", unit), { force: true });
    symlinkSync("/dev/null", join(root, "etc/systemd/system", unit));
  }
  copyFileSync(BINARY, join(root, "usr/local/bin/felhom"));
  chmodSync(join(root, "usr/local/bin/felhom"), 0o755);
}

function start(place: string, name: string, root: string, init: "systemd" | "none"): void {
  const config = [
    `lxc.rootfs.path = dir:${root}`,
    `lxc.uts.name = ${name}`,
    "lxc.net.0.type = none",
    `lxc.init.cmd = ${init === "systemd" ? "/sbin/init" : "/sbin/idle-init"}`,
    "lxc.mount.auto = proc:rw sys:rw cgroup:rw",
    "",
  ];
  writeFileSync(join(place, "config.test"), config.join("\n"));
  writeFileSync(join(root, "sbin/idle-init"), IDLE_INIT, { mode: 0o755 });
  check(["lxc-start", "-P", place, "-n", name, "-f", join(place, "config.test"), "-d"]);
}

function attach(place: string, name: string, argv: readonly string[]): Ran {
  const env = [
    "--clear-env",
    "-v",
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "-v",
    "HOME=/root",
    "-v",
    "LC_ALL=C.UTF-8",
    "-v",
    "NO_COLOR=1",
  ];
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

/** A port that is free now: the container shares this machine's network. */
export async function freePort(): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  const server = createServer();
  server.listen(0, "127.0.0.1", () => {
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    server.close(() => resolve(port));
  });
  return promise;
}
