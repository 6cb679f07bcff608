import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync } from "node:fs";
import { dirname, join, relative } from "node:path";

/** The checks of this project as a list: `scripts/ok` runs the quick ones, `scripts/test` all of them. */

export const root = dirname(import.meta.dir);
const scratch = join(root, ".scratch");
const bun = process.execPath;

export interface Tally {
  passed: number;
  failed: number;
  skipped: number;
  /** What failed, by file and name, for the end of a long run. */
  failures: readonly string[];
}

export interface Stage {
  readonly name: string;
  /** Also part of `scripts/ok`. */
  readonly quick: boolean;
  /** Once the build is there, these run two at a time: half of them wait for disks and clocks, the others compute. */
  readonly beside: boolean;
  readonly run: (out: Out) => Promise<Tally>;
}

/** Where a stage prints to: the terminal, or a file while another one runs beside it. */
type Out = "inherit" | number;

/** A command that is one check. */
const command = (name: string, quick: boolean, argv: readonly string[]): Stage => ({
  name,
  quick,
  beside: false,
  run: async (out) =>
    (await spawn(argv, out)) === 0 ? { passed: 1, failed: 0, skipped: 0, failures: [] } : { passed: 0, failed: 1, skipped: 0, failures: [argv.join(" ")] },
});

/** `bun test` over some folders; counts come from its JUnit file, so a crash of the runner is a failure, not an absence. */
const tests = (name: string, quick: boolean, args: readonly string[]): Stage => ({
  name,
  quick,
  beside: true,
  run: async (out) => {
    const report = join(scratch, `junit-${name}.xml`);
    mkdirSync(scratch, { recursive: true });
    rmSync(report, { force: true });
    const code = await spawn([bun, "test", ...args, "--reporter=junit", `--reporter-outfile=${report}`], out);
    const xml = existsSync(report) ? readFileSync(report, "utf8") : "";
    const head = /<testsuites [^>]*>/.exec(xml)?.[0];
    if (head === undefined) return { passed: 0, failed: 1, skipped: 0, failures: [`bun test ended with ${code} and no report`] };
    const count = (attribute: string): number => Number(new RegExp(` ${attribute}="(\\d+)"`).exec(head)?.[1] ?? 0);
    const [total, failures, skipped] = [count("tests"), count("failures") + count("errors"), count("skipped")];
    const failed = code === 0 ? failures : Math.max(1, failures);
    const names = failuresIn(xml);
    return {
      passed: Math.max(0, total - failures - skipped),
      failed,
      skipped,
      failures: failed > 0 && names.length === 0 ? [`bun test ended with ${code}: an error outside of a test`] : names,
    };
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
  command("build", true, [bun, join(root, "build/build.ts")]),
  tests("faults", false, ["./tests/faults", "--timeout=900000"]),
  tests("unit", true, ["./agent", "./hub", "./operator", "./shared", "./scripts", "--timeout=180000"]),
  tests("together", true, [...together, "--timeout=180000"]),
  tests("end-to-end", true, ["./tests/e2e", "--timeout=240000"]),
  tests("system", false, ["./tests/system", "--timeout=900000"]),
  { ...command("simulation", true, [bun, join(root, "scripts/sim.ts"), "--seconds", "60"]), beside: true },
];

/** `tests/e2e/nats.test.ts:41 its name: Expected: 2` for each test that failed. */
export function failuresIn(xml: string): readonly string[] {
  const text = (escaped: string): string => escaped.replace(/&(lt|gt|quot|apos|#10|amp);/g, (entity) => ENTITIES[entity] ?? entity);
  return [...xml.matchAll(/<testcase ([^>]*[^/])>\s*<(?:failure|error) ([^>]*)>/g)].map(([, test = "", failure = ""]) => {
    const of = (attributes: string, name: string): string => text(new RegExp(`(?:^| )${name}="([^"]*)"`).exec(attributes)?.[1] ?? "");
    return `${of(test, "file")}:${of(test, "line")} ${of(test, "name")}: ${of(failure, "message").replace(/\s+/g, " ").slice(0, MESSAGE_CHARS)}`;
  });
}

const MESSAGE_CHARS = 300;
const ENTITIES: Readonly<Record<string, string>> = { "&lt;": "<", "&gt;": ">", "&quot;": '"', "&apos;": "'", "&#10;": " ", "&amp;": "&" };

async function spawn(argv: readonly string[], out: Out): Promise<number> {
  const child = Bun.spawn([...argv], { cwd: root, stdin: "ignore", stdout: out, stderr: out, env: { ...process.env, FORCE_COLOR: "0" } });
  return child.exited;
}

/** The quick ones and the build one after another, then the tests two at a time, as they stand in the list. */
export async function runStages(stages: readonly Stage[]): Promise<Tally> {
  const sum = { passed: 0, failed: 0, skipped: 0 };
  const rows: string[] = [];
  const failures: string[] = [];
  const count = async (stage: Stage, out: Out): Promise<void> => {
    const startedMs = performance.now();
    const tally = await stage.run(out);
    sum.passed += tally.passed;
    sum.failed += tally.failed;
    sum.skipped += tally.skipped;
    failures.push(...tally.failures.map((failure) => `FAIL ${stage.name}: ${failure}`));
    rows.push(
      `${tally.failed === 0 ? "ok  " : "FAIL"} ${stage.name.padEnd(12)} ${String(tally.passed).padStart(5)} passed ${String(tally.failed).padStart(3)} failed ${((performance.now() - startedMs) / 1000).toFixed(1).padStart(7)} s`,
    );
  };
  for (const stage of stages.filter(({ beside }) => !beside)) {
    process.stdout.write(`\n== ${stage.name}\n`);
    await count(stage, "inherit");
  }
  const left = stages.filter(({ beside }) => beside);
  const isAlone = left.length === 1;
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (let stage = left.shift(); stage !== undefined; stage = left.shift()) {
        process.stdout.write(`\n== ${stage.name}${isAlone ? "" : `, printed when it ends; until then in ${relative(root, outputOf(stage))}`}\n`);
        if (isAlone) await count(stage, "inherit");
        else await printedAtEnd(stage, count);
      }
    }),
  );
  process.stdout.write(`\n${[...rows, ...failures].join("\n")}\n`);
  return { ...sum, failures };
}

const AT_ONCE = 2;
const outputOf = (stage: Stage): string => join(scratch, `${stage.name}.log`);

async function printedAtEnd(stage: Stage, run: (stage: Stage, out: Out) => Promise<void>): Promise<void> {
  mkdirSync(scratch, { recursive: true });
  const file = openSync(outputOf(stage), "w");
  await run(stage, file);
  closeSync(file);
  process.stdout.write(`\n== ${stage.name}\n${readFileSync(outputOf(stage), "utf8")}`);
}
