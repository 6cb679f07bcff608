import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync } from "node:fs";
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
  "linux-x64": { bun: "bun-linux-x64", package: "@oven/bun-linux-x64" },
  "linux-arm64": { bun: "bun-linux-arm64", package: "@oven/bun-linux-aarch64" },
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

/**
 * The Bun that the binary carries: the pinned npm package of that platform. Of another platform's it is that one package alone, by name,
 * held here to the lockfile's integrity: `npm ci` counts it as optional, and leaves out without a word what it could not fetch.
 */
function runtime(target: Target): string {
  const name = TARGETS[target].package;
  const installed = join(root, "node_modules", name, "bin", "bun");
  if (existsSync(installed)) return installed;
  const cache = join(root, ".scratch", "runtimes", target);
  const fetched = join(cache, "package", "bin", "bun");
  if (existsSync(fetched)) return fetched;
  const stage = `${cache}.new`;
  rmSync(stage, { recursive: true, force: true });
  mkdirSync(stage, { recursive: true });
  const { version, integrity } = locked(name);
  run(["npm", "pack", `${name}@${version}`, "--pack-destination", stage, "--loglevel=error"]);
  const [archive = ""] = readdirSync(stage);
  const found = `sha512-${createHash("sha512")
    .update(readFileSync(join(stage, archive)))
    .digest("base64")}`;
  if (found !== integrity) fail(`Cannot use ${name}@${version}: its integrity is ${found}, the lockfile says ${integrity}`);
  run(["tar", "-xzf", join(stage, archive), "-C", stage]);
  rmSync(join(stage, archive));
  rmSync(cache, { recursive: true, force: true });
  renameSync(stage, cache);
  return fetched;
}

function locked(name: string): { readonly version: string; readonly integrity: string } {
  const { packages }: { readonly packages: Readonly<Record<string, { readonly version: string; readonly integrity?: string }>> } = JSON.parse(
    readFileSync(join(root, "package-lock.json"), "utf8"),
  );
  const { version, integrity } = packages[`node_modules/${name}`] ?? {};
  if (version === undefined || integrity === undefined) return fail(`Cannot find ${name} with its integrity in package-lock.json`);
  return { version, integrity };
}

function relink(to: string, path: string): void {
  rmSync(path, { force: true });
  symlinkSync(to, path);
}

function run(argv: readonly [string, ...string[]]): void {
  const done = Bun.spawnSync([...argv], { cwd: root, stdout: "pipe", stderr: "pipe" });
  if (done.exitCode === 0) return;
  fail(`${argv.join(" ")}\n${done.stdout.toString()}${done.stderr.toString()}`);
}

function fail(message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

function option(name: string): string | undefined {
  const at = process.argv.indexOf(name);
  return at < 0 ? undefined : process.argv[at + 1];
}
