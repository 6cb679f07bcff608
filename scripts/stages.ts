import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";

/** The checks of this project as a list: `scripts/ok` runs the quick ones, `scripts/test` all of them. */

export const root = dirname(import.meta.dir);
const scratch = join(root, ".scratch");
const bun = process.execPath;

export interface Tally {
  passed: number;
  failed: number;
  skipped: number;
}

export interface Stage {
  readonly name: string;
  /** Also part of `scripts/ok`. */
  readonly quick: boolean;
  readonly run: () => Tally;
}

/** A command that is one check. */
const command = (name: string, quick: boolean, argv: readonly string[]): Stage => ({
  name,
  quick,
  run: () => (spawn(argv) === 0 ? { passed: 1, failed: 0, skipped: 0 } : { passed: 0, failed: 1, skipped: 0 }),
});

/** `bun test` over some folders; counts come from its JUnit file, so a crash of the runner is a failure, not an absence. */
const tests = (name: string, quick: boolean, args: readonly string[]): Stage => ({
  name,
  quick,
  run: () => {
    const report = join(scratch, `junit-${name}.xml`);
    mkdirSync(scratch, { recursive: true });
    rmSync(report, { force: true });
    const code = spawn([bun, "test", ...args, "--reporter=junit", `--reporter-outfile=${report}`]);
    const head = existsSync(report) ? /<testsuites [^>]*>/.exec(readFileSync(report, "utf8"))?.[0] : undefined;
    if (head === undefined) return { passed: 0, failed: 1, skipped: 0 };
    const count = (attribute: string): number => Number(new RegExp(` ${attribute}="(\\d+)"`).exec(head)?.[1] ?? 0);
    const [total, failures, skipped] = [count("tests"), count("failures") + count("errors"), count("skipped")];
    const failed = code === 0 ? failures : Math.max(1, failures);
    return { passed: Math.max(0, total - failures - skipped), failed, skipped };
  },
});

/** Tests that put two roles together in one process. */
const together = [...new Bun.Glob("*.test.ts").scanSync(join(root, "tests"))].sort().map((name) => `./tests/${name}`);

export const STAGES: readonly Stage[] = [
  command("format", true, [join(root, "node_modules/.bin/biome"), "format", "."]),
  command("lint", true, [join(root, "node_modules/.bin/oxlint"), "--type-aware", "--deny-warnings", "."]),
  command("types", true, [join(root, "node_modules/.bin/tsc"), "-p", "."]),
  command("tidy", true, [bun, join(root, "scripts/tidy.ts")]),
  command("docs", true, [bun, join(root, "scripts/docs.ts"), "--check"]),
  tests("unit", true, ["./agent", "./hub", "./operator", "./shared", "./scripts", "--timeout=60000"]),
  tests("together", true, [...together, "--timeout=60000"]),
  command("build", true, [bun, join(root, "build/build.ts")]),
  tests("end-to-end", true, ["./tests/e2e", "--timeout=180000"]),
  command("simulation", true, [bun, join(root, "scripts/sim.ts"), "--seconds", "60"]),
  tests("faults", false, ["./tests/faults", "--timeout=600000"]),
  tests("system", false, ["./tests/system", "--timeout=900000"]),
];

function spawn(argv: readonly string[]): number {
  return Bun.spawnSync([...argv], { cwd: root, stdin: "ignore", stdout: "inherit", stderr: "inherit", env: { ...process.env, FORCE_COLOR: "0" } }).exitCode;
}

export function runStages(stages: readonly Stage[]): Tally {
  const sum: Tally = { passed: 0, failed: 0, skipped: 0 };
  const rows: string[] = [];
  for (const stage of stages) {
    process.stdout.write(`\n== ${stage.name}\n`);
    const startedMs = performance.now();
    const tally = stage.run();
    sum.passed += tally.passed;
    sum.failed += tally.failed;
    sum.skipped += tally.skipped;
    rows.push(
      `${tally.failed === 0 ? "ok  " : "FAIL"} ${stage.name.padEnd(12)} ${String(tally.passed).padStart(5)} passed ${String(tally.failed).padStart(3)} failed ${((performance.now() - startedMs) / 1000).toFixed(1).padStart(7)} s`,
    );
  }
  process.stdout.write(`\n${rows.join("\n")}\n`);
  return sum;
}
