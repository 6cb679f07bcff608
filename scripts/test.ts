import { runStages, STAGES } from "./stages.ts";

/**
 * Every check of the project. `scripts/test` runs all; `scripts/test unit lint` runs those. As root on Debian it first installs
 * the tools that fault injection needs; without root, tests that need a missing tool say so and count as skipped.
 */

const TOOLS: Readonly<Record<string, string>> = { strace: "strace", faketime: "faketime", curl: "curl", "nats-server": "nats-server" };
/** Debian keeps servers where only root looks. */
const PATH = `${process.env["PATH"] ?? "/usr/bin:/bin"}:/usr/sbin:/sbin`;
const names = process.argv.slice(2);
const unknown = names.filter((name) => !STAGES.some((stage) => stage.name === name));
if (unknown.length > 0) {
  process.stderr.write(`Cannot run unknown stage: ${unknown.join(", ")}. Stages: ${STAGES.map(({ name }) => name).join(", ")}\n`);
  process.exit(2);
}
installTools();
const sum = await runStages(names.length === 0 ? STAGES : STAGES.filter(({ name }) => names.includes(name)));
process.stdout.write(`\n${sum.passed} passed, ${sum.failed} failed${sum.skipped === 0 ? "" : `, ${sum.skipped} skipped`}\n`);
process.exit(sum.failed === 0 && sum.passed > 0 ? 0 : 1);

function installTools(): void {
  const missing = Object.entries(TOOLS).filter(([tool]) => Bun.which(tool, { PATH }) === null);
  if (missing.length === 0) return;
  const packages = missing.map(([, name]) => name);
  if (process.getuid?.() !== 0 || Bun.which("apt-get") === null) {
    process.stderr.write(`not installed: ${packages.join(", ")}; tests that need them are skipped (as root: apt-get install ${packages.join(" ")})\n`);
    return;
  }
  process.stderr.write(`installing ${packages.join(", ")} from Debian\n`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const install = (): number =>
    Bun.spawnSync(["apt-get", "install", "-y", "-q", "--no-install-recommends", ...packages], { env, stdout: "ignore", stderr: "inherit" }).exitCode;
  if (install() === 0) return;
  Bun.spawnSync(["apt-get", "update", "-q"], { env, stdout: "ignore", stderr: "inherit" });
  if (install() !== 0) process.stderr.write(`could not install ${packages.join(", ")}; tests that need them are skipped\n`);
}
