import { expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

test("what scripts/bun runs leaves nothing in the home directory", () => {
  const home = mkdtempSync(join(tmpdir(), "felhom-home-"));
  try {
    const { BUN_RUNTIME_TRANSPILER_CACHE_PATH: _inherited, ...env } = process.env;
    // It imports enough that Bun would keep what it made of it.
    const done = Bun.spawnSync([join(import.meta.dir, "bun"), join(import.meta.dir, "docs.ts"), "--check"], { env: { ...env, HOME: home }, stderr: "pipe" });
    expect([done.exitCode, done.stderr.toString()]).toEqual([0, ""]);
    expect(readdirSync(home)).toEqual([]);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}, 60_000);
