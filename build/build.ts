import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";

/**
 * Compiles `dist/felhom` (and `dist/felhom-linux-<arch>` for other targets) with the `felhom-sign` and `felhom-watchdog` links.
 * Usage: scripts/bun build/build.ts [--target linux-x64|linux-arm64|all] [--out DIR]
 *
 * Roles are dynamic imports: with splitting and bytecode each role loads only its own chunks. `.env`, `bunfig.toml`, tsconfig and
 * package.json of the directory it is started in are never read. The same sources give the same bytes.
 */

const root = dirname(import.meta.dir);
const TARGETS = {
  "linux-x64": { bun: "bun-linux-x64", package: "@oven/bun-linux-x64", cpu: "x64" },
  "linux-arm64": { bun: "bun-linux-arm64", package: "@oven/bun-linux-aarch64", cpu: "arm64" },
} as const;
type Target = keyof typeof TARGETS;

const native: Target = process.arch === "arm64" ? "linux-arm64" : "linux-x64";
const asked = option("--target") ?? native;
const out = option("--out") ?? join(root, "dist");

for (const target of Object.keys(TARGETS) as Target[]) if (asked === "all" || asked === target) compile(target);

function compile(target: Target): void {
  mkdirSync(out, { recursive: true });
  const name = target === native ? "felhom" : `felhom-${target}`;
  // The file name is part of the compiled bytes: every target is compiled as `felhom` in a directory of its own, then moved.
  const stage = join(out, `.stage-${target}`);
  rmSync(stage, { recursive: true, force: true });
  mkdirSync(stage, { recursive: true });
  run([
    process.execPath,
    "build",
    "--compile",
    "--splitting",
    "--bytecode",
    "--minify",
    "--format=esm",
    "--no-compile-autoload-dotenv",
    "--no-compile-autoload-bunfig",
    "--no-compile-autoload-tsconfig",
    "--no-compile-autoload-package-json",
    `--target=${TARGETS[target].bun}`,
    `--compile-executable-path=${runtime(target)}`,
    join(root, "main.ts"),
    "--outfile",
    join(stage, "felhom"),
  ]);
  run(["mv", join(stage, "felhom"), join(out, name)]);
  rmSync(stage, { recursive: true, force: true });
  if (target === native) for (const link of ["felhom-sign", "felhom-watchdog"]) relink("felhom", join(out, link));
  process.stdout.write(
    `${createHash("sha256")
      .update(readFileSync(join(out, name)))
      .digest("hex")}  ${name}\n`,
  );
}

/** The Bun that the binary carries: the pinned npm package of that platform, fetched by npm, which checks it against the lockfile's integrity. */
function runtime(target: Target): string {
  const installed = join(root, "node_modules", TARGETS[target].package, "bin", "bun");
  if (existsSync(installed)) return installed;
  const cache = join(root, ".scratch", "runtimes", target);
  const fetched = join(cache, "node_modules", TARGETS[target].package, "bin", "bun");
  if (existsSync(fetched)) return fetched;
  mkdirSync(cache, { recursive: true });
  run(["cp", join(root, "package.json"), join(root, "package-lock.json"), cache]);
  run([
    "npm",
    "ci",
    "--prefix",
    cache,
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    "--loglevel=error",
    "--force",
    "--os=linux",
    `--cpu=${TARGETS[target].cpu}`,
  ]);
  return fetched;
}

function relink(to: string, path: string): void {
  rmSync(path, { force: true });
  symlinkSync(to, path);
}

function run(argv: readonly [string, ...string[]]): void {
  const done = Bun.spawnSync([...argv], { cwd: root, stdout: "pipe", stderr: "pipe" });
  if (done.exitCode === 0) return;
  process.stderr.write(`${argv.join(" ")}\n${done.stdout.toString()}${done.stderr.toString()}`);
  process.exit(1);
}

function option(name: string): string | undefined {
  const at = process.argv.indexOf(name);
  return at < 0 ? undefined : process.argv[at + 1];
}
