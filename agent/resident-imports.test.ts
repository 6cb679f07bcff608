/**
 * The resident agent's import graph. Its memory budget is 1.8 bare Bun processes; zod costs ten megabytes, node:crypto and TLS five to
 * seven each (measured). What it needs of those is done by a worker, or imported dynamically by the one path that needs it.
 */
import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";

const ROOT = resolve(import.meta.dir, "..");
const transpiler = new Bun.Transpiler({ loader: "ts" });

/** Everything that is loaded when `entries` are, without dynamic imports and types. Packages by name, files by path. */
function loaded(...entries: readonly string[]): { readonly files: readonly string[]; readonly packages: readonly string[] } {
  const files = new Set<string>();
  const packages = new Set<string>();
  const walk = (file: string): void => {
    if (files.has(file)) return;
    files.add(file);
    for (const { path, kind } of transpiler.scanImports(readFileSync(file, "utf8"))) {
      if (kind === "dynamic-import") continue;
      if (!path.startsWith(".")) packages.add(path);
      else walk(resolve(dirname(file), path));
    }
  };
  for (const entry of entries) walk(resolve(ROOT, entry));
  return { files: [...files].map((file) => relative(ROOT, file)).sort(), packages: [...packages].sort() };
}

test("the resident agent loads SQLite and the file system, and no other package", () => {
  expect(loaded("agent/mode.ts", "shared/supervise.ts", "shared/edge/real-world.ts").packages).toEqual(["bun:sqlite", "node:fs", "node:path"]);
});

test("the resident agent loads nothing that verifies, renders or executes", () => {
  const { files } = loaded("agent/mode.ts");
  expect(
    files.filter((file) => /^(?:shared\/trust|shared\/states|agent\/edge\/(?:providers|converge|facts|desired|enroll)|hub|operator)\//.test(file)),
  ).toEqual([]);
  // Of ops only the door: the rest is loaded with the first op.
  expect(files.filter((file) => file.startsWith("agent/edge/ops/") || file.startsWith("agent/core/ops/") || file.startsWith("shared/ops/"))).toEqual([
    "agent/edge/ops/door.ts",
  ]);
});

test("the watchdog loads nothing of agent/edge and no package", () => {
  const { files, packages } = loaded("agent/watchdog/mode.ts");
  expect(files.filter((file) => file.startsWith("agent/edge/"))).toEqual([]);
  expect(packages).toEqual([]);
});

test("every file of agent/ belongs to the box: none of the hub, none of the workstation", () => {
  const { files } = loaded(
    "agent/mode.ts",
    "agent/worker.ts",
    "agent/watchdog/mode.ts",
    ...["enroll", "status", "doctor", "converge"].map((name) => `agent/commands/${name}.ts`),
  );
  expect(files.filter((file) => /^(?:hub|operator)\//.test(file))).toEqual([]);
  expect(existsSync(resolve(ROOT, "agent/mode.ts"))).toBe(true);
});
