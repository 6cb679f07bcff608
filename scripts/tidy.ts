import { readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

/**
 * What linters cannot see: who may import whom, who may touch the machine, files nobody reaches, lengths, words.
 * Each rule says why in its message. `scripts/tidy` prints the problems and exits 1 when there are any.
 */

const root = dirname(import.meta.dir);
const LINES_MAX = 500;
/** A suite around one scene may be a little longer than what it tests. */
const TEST_LINES_MAX = 600;

export interface Source {
  readonly path: string;
  readonly text: string;
  /** Project files it imports, as paths from the root. */
  readonly imports: readonly string[];
}

export type Problem = `${string}: ${string}`;

export function readSources(): readonly Source[] {
  const listed = Bun.spawnSync(["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.ts"], { cwd: root }).stdout.toString().trim().split("\n");
  return listed
    .filter((path) => path !== "" && !path.includes("testdata/") && !path.endsWith(".d.ts"))
    .flatMap((path) => {
      const file = join(root, path);
      try {
        const text = readFileSync(file, "utf8");
        return [{ path, text, imports: importsOf(path, text) }];
      } catch {
        return []; // listed by git but removed from the working tree
      }
    });
}

function importsOf(path: string, text: string): readonly string[] {
  const found = [...text.matchAll(/(?:from|import)\s*\(?\s*"(\.{1,2}\/[^"]+)"/g)].map((match) => match[1] ?? "");
  return found.map((specifier) => normalize(join(dirname(path), specifier)));
}

const isTest = (path: string): boolean =>
  path.endsWith(".test.ts") || path.startsWith("tests/") || path.includes("/testing/") || path.startsWith("shared/sim/");

/** From → what it may not import, and why. */
const BANNED_IMPORTS: readonly { readonly from: RegExp; readonly to: RegExp; readonly because: string }[] = [
  { from: /^(agent)\//, to: /^(hub|operator)\//, because: "roles never import each other: what both need belongs in shared/" },
  { from: /^(hub)\//, to: /^(agent|operator)\//, because: "roles never import each other: what both need belongs in shared/" },
  { from: /^(operator)\//, to: /^(agent|hub)\//, because: "roles never import each other: what both need belongs in shared/" },
  { from: /^shared\//, to: /^(agent|hub|operator)\//, because: "dependencies point inward: shared/ knows no role" },
  { from: /(^|\/)core\//, to: /(^|\/)(edge|commands)\//, because: "core decides and is pure: I/O comes to it as values" },
  { from: /^shared\/core\//, to: /^shared\/(?!core\/|ports\/)/, because: "shared/core is the innermost ring" },
  { from: /^agent\/watchdog\//, to: /^agent\/edge\//, because: "the watchdog has to survive the agent's bugs" },
];

/** The machine itself. Only adapters, scripts and the entry may name these; everybody else is handed a World. */
const MACHINE =
  /\b(Date\.now\(|new Date\(\)|Math\.random\(|performance\.now\(|setTimeout\(|setInterval\(|setImmediate\(|process\.(?!env\.NODE_ENV)\w+|Bun\.(spawn|serve|listen|connect|sleep|file|write)\b|(?<![.\w])fetch\(|from "(node:fs|node:child_process|node:net|node:tls|node:http|node:os|bun:sqlite|node:dgram)(\/promises)?")/;
const MAY_TOUCH_MACHINE = /^(main\.ts|shared\/edge\/|scripts\/|build\/|tests\/|shared\/sim\/)/;

const BANNED_WORDS: readonly { readonly word: RegExp; readonly instead: string }[] = [
  { word: /\b(TODO|FIXME|XXX|HACK)\b/, instead: "do it or say it in an issue" },
  { word: /\bwhitelist|blacklist\b/i, instead: "allow list, deny list" },
  { word: /\bminion\b/i, instead: "host" },
];
const BANNED_NAMES = /(^|\/)(utils?|helpers?|manager|common|types)\.ts$/;

export function tidy(sources: readonly Source[]): readonly Problem[] {
  return [...sources.flatMap(problemsIn), ...unreached(sources)];
}

function problemsIn(source: Source): readonly Problem[] {
  const { path, text } = source;
  const problems: Problem[] = [];
  const say = (what: string): void => void problems.push(`${path}: ${what}`);
  const lines = text.split("\n");
  const linesMax = isTest(path) ? TEST_LINES_MAX : LINES_MAX;
  if (lines.length > linesMax) say(`${lines.length} lines, above ${linesMax}: split it where the story changes`);
  if (BANNED_NAMES.test(path)) say("a file is named after what it exports, not after being useful");
  if (!/^[a-z0-9.-]+\.ts$/.test(path.split("/").at(-1) ?? "")) say("file names are kebab-case");
  for (const imported of source.imports) {
    for (const rule of BANNED_IMPORTS) {
      if (!isTest(path) && rule.from.test(path) && rule.to.test(imported)) say(`may not import ${imported}: ${rule.because}`);
    }
  }
  lines.forEach((line, at) => {
    const code = line
      .replace(/\/\/.*$/, "")
      .replace(/^\s*\*.*$/, "")
      .replace(/^\s*\/\*\*.*$/, "");
    if (!isTest(path) && !/^(scripts|build)\//.test(path) && /^(export )?let /.test(code))
      say(`line ${at + 1}: module state (let): state belongs to a service or a parameter`);
    if (!MAY_TOUCH_MACHINE.test(path) && !isTest(path) && MACHINE.test(withoutStrings(code)))
      say(`line ${at + 1}: touches the machine (${MACHINE.exec(withoutStrings(code))?.[0]}): take it from the World`);
    if (path !== "scripts/tidy.ts")
      for (const { word, instead } of BANNED_WORDS) if (word.test(line)) say(`line ${at + 1}: ${word.exec(line)?.[0]}: ${instead}`);
    if (/\b(test|describe|it)\.(only|skip|todo)\(/.test(code) && path !== "scripts/tidy.ts") say(`line ${at + 1}: a focused or skipped test`);
  });
  return problems;
}

/** Keeps import specifiers (the rule looks for them), drops other string contents. */
function withoutStrings(code: string): string {
  return /^\s*(import|export)\b.*\bfrom\b/.test(code) ? code : code.replace(/"(?:[^"\\]|\\.)*"|`[^`]*`/g, '""');
}

/** Every source is reached from the entry or a script; tests do not count. */
function unreached(sources: readonly Source[]): readonly Problem[] {
  const byPath = new Map(sources.map((source) => [source.path, source]));
  const entries = sources.filter(({ path }) => path === "main.ts" || path.startsWith("scripts/") || path.startsWith("build/"));
  const isProduct = (path: string): boolean => !isTest(path) && !path.startsWith("scripts/") && !path.startsWith("build/");
  const seen = new Set<string>();
  const walk = (path: string): void => {
    if (seen.has(path)) return;
    seen.add(path);
    for (const next of byPath.get(path)?.imports ?? []) walk(next);
  };
  for (const { path } of entries) walk(path);
  return sources
    .filter(({ path }) => isProduct(path) && !seen.has(path))
    .map(({ path }): Problem => `${path}: nothing in the product reaches it (a test alone is no use for a file)`);
}

function versions(): readonly Problem[] {
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
  return readFileSync(join(root, "shared/version.ts"), "utf8").includes(`"${version}"`) ? [] : ["shared/version.ts: is not package.json's version"];
}

if (import.meta.main) {
  const sources = readSources();
  const problems = [...tidy(sources), ...versions()];
  for (const problem of problems) process.stdout.write(`${problem}\n`);
  const lengths = sources.map(({ text }) => text.split("\n").length).sort((a, b) => a - b);
  process.stderr.write(
    `tidy: ${sources.length} files, median ${lengths[Math.floor(lengths.length / 2)]} lines, longest ${lengths.at(-1)}, ${problems.length} problems\n`,
  );
  process.exit(problems.length === 0 ? 0 : 1);
}
