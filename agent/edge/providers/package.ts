/**
 * Debian packages. One dpkg-query answers for all resources; apt-cache is asked only where the answer matters (something is
 * missing, or `latest`). Installs of several resources are one transaction. dpkg keeps an administrator's configuration
 * files (confold): what felhom wants of them is said by `file` resources.
 */
import { Fault } from "../../../shared/core/fault.ts";
import { packageNames, type PackageObserved, type PackageParams, type PackageStep } from "../../../shared/states/resources/package.ts";
import { parseDpkgQuery, parsePolicy } from "../../core/converge/dpkg.ts";
import type { Provider, ProviderContext } from "./provider.ts";
import { observeEach } from "./observing.ts";
import { endOf, run, SYSTEM_ENV, type Ran } from "./run.ts";

type Install = Extract<PackageStep, { do: "package.install" }>;
type Remove = Extract<PackageStep, { do: "package.remove" }>;

const APT_TIMEOUT_MS = 30 * 60_000;
const QUERY_TIMEOUT_MS = 60_000;
const LOCK_TRIES_MAX = 24;
const LOCK_WAIT_MS = 5_000;
const APT_ENV = { ...SYSTEM_ENV, DEBIAN_FRONTEND: "noninteractive", DEBIAN_PRIORITY: "critical", APT_LISTCHANGES_FRONTEND: "none", NEEDRESTART_MODE: "l" };
const APT_OPTIONS = ["-y", "-q", "-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold", "-o", "DPkg::Lock::Timeout=60"];
const LOCKED = /Could not get lock|Unable to lock|is another process using it|dpkg frontend lock/;
const INTERRUPTED = /dpkg was interrupted/;

export const packageProvider: Provider<PackageParams, PackageObserved, PackageStep> = {
  type: "package",
  because: "apt-get is there",
  async observe(context, wanted) {
    const names = [...new Set(wanted.flatMap(packageNames))];
    const installed = await installedVersions(context, names);
    const asked = new Set(
      wanted
        .filter((one) => one.ensure === "latest" || (one.ensure === "present" && packageNames(one).some((name) => !installed.has(name))))
        .flatMap(packageNames),
    );
    const candidates = asked.size === 0 ? new Map<string, string>() : await candidateVersions(context, [...asked]);
    return observeEach(wanted, (one) => ({
      packages: Object.fromEntries(
        packageNames(one).map((name) => {
          const now = installed.get(name) ?? null;
          // Not asked: it is installed, any version will do, so nothing hangs on the candidate.
          return [name, { installed: now, candidate: asked.has(name) ? (candidates.get(name) ?? null) : now }];
        }),
      ),
    }));
  },
  async apply(context, step) {
    await (step.do === "package.install" ? install(context, [step]) : remove(context, step));
  },
  async applyTogether(context, steps) {
    const installs = steps.filter((step) => step.do === "package.install");
    if (installs.length > 0) await install(context, installs);
    for (const step of steps) if (step.do === "package.remove") await remove(context, step);
  },
};

async function installedVersions(context: ProviderContext, names: readonly string[]): Promise<ReadonlyMap<string, string>> {
  if (names.length === 0) return new Map();
  // Exit code 1 is "some are unknown": those are not in the output. Anything else is a failure, never "nothing is installed".
  const done = await run(
    context.world,
    "package.query",
    ["dpkg-query", "--show", "--showformat", "${Package}\\t${Architecture}\\t${db:Status-Status}\\t${Version}\\n", "--", ...names],
    { timeoutMs: QUERY_TIMEOUT_MS },
  );
  if (done.timedOut || (done.code !== 0 && done.code !== 1)) throw new Fault("exec_failed", `Cannot ask dpkg: ${endOf(done)}`);
  return parseDpkgQuery(done.stdout, names);
}

async function candidateVersions(context: ProviderContext, names: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const done = await run(context.world, "package.policy", ["apt-cache", "policy", "--", ...names], { timeoutMs: QUERY_TIMEOUT_MS });
  if (done.code !== 0) throw new Fault("exec_failed", `Cannot ask apt-cache: ${endOf(done)}`);
  return parsePolicy(done.stdout);
}

async function install(context: ProviderContext, steps: readonly Install[]): Promise<void> {
  if (steps.some(({ refresh }) => refresh)) await apt(context, "package.refresh", ["update"]);
  const packages = new Set(steps.flatMap((step) => step.packages.map(({ name, version }) => (version === null ? name : `${name}=${version}`))));
  await apt(context, "package.install", ["install", "--allow-downgrades", "--", ...packages]);
}

async function remove(context: ProviderContext, step: Remove): Promise<void> {
  await apt(context, "package.remove", [step.purge ? "purge" : "remove", "--", ...step.names]);
}

/** Waits while somebody else holds apt's locks (unattended-upgrades, a person), and mends an interrupted dpkg once. */
async function apt(context: ProviderContext, op: string, args: readonly [string, ...string[]]): Promise<void> {
  const { world } = context;
  const [verb, ...rest] = args;
  let mended = false;
  for (let tries = 1; ; tries++) {
    const done = await run(world, op, ["apt-get", ...APT_OPTIONS, verb, ...rest], { env: APT_ENV, timeoutMs: APT_TIMEOUT_MS });
    if (done.code === 0) return;
    if (LOCKED.test(done.stderr) && tries < LOCK_TRIES_MAX) {
      await world.clock.sleep(LOCK_WAIT_MS, new AbortController().signal);
    } else if (INTERRUPTED.test(done.stderr) && !mended) {
      mended = true;
      const repaired = await run(world, "package.repair", ["dpkg", "--force-confdef", "--force-confold", "--configure", "-a"], {
        env: APT_ENV,
        timeoutMs: APT_TIMEOUT_MS,
      });
      if (repaired.code !== 0) throw new Fault("exec_failed", `Cannot mend an interrupted dpkg: ${endOf(repaired)}`);
    } else {
      throw new Fault("exec_failed", `Cannot ${verb} packages: ${aptSays(done)}`, { facts: { op, code: done.code } });
    }
  }
}

/** apt's own error lines, which begin with `E:`; they hold package names and URLs, no secret. */
function aptSays(done: Ran): string {
  const errors = done.stderr
    .split("\n")
    .filter((line) => line.startsWith("E: "))
    .map((line) => line.slice(3));
  return errors.length === 0 ? endOf(done) : errors.slice(0, 3).join("; ").slice(0, 300);
}
