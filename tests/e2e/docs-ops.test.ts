/** Every command of the pages on running commands and on signing, read from the page and run in order, against real processes. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BINARY, projectRoot, RealFleet } from "../../scripts/fleet/real-fleet.ts";

const fleet = new RealFleet({ lightVault: true });

beforeAll(async () => {
  await fleet.start();
  await fleet.addBox("box-1", { site: "cellar" });
  await fleet.addBox("box-2", { site: "attic" });
  mkdirSync(join(fleet.dir, "bin"));
  for (const home of ["anna", "clean"]) mkdirSync(join(fleet.dir, home), { mode: 0o700 });
  writeFileSync(join(fleet.dir, "new-passphrase"), "an altogether different one\n", { mode: 0o600 });
  symlinkSync(BINARY, join(fleet.dir, "bin", "felhom"));
}, 240_000);
afterAll(() => fleet.stop());

/** Fenced `sh` blocks, one step each. */
function steps(page: string): readonly string[] {
  const text = readFileSync(join(projectRoot, "docs", "operations", page), "utf8");
  return [...text.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map((match) => match[1] ?? "");
}

function run(script: string): { readonly code: number; readonly output: string } {
  const done = Bun.spawnSync(["sh", "-euc", script], {
    cwd: fleet.dir,
    stdin: "ignore",
    timeout: 120_000,
    env: {
      PATH: `${join(fleet.dir, "bin")}:${process.env["PATH"] ?? "/usr/bin:/bin"}`,
      HOME: fleet.dir,
      FELHOM_HOME: fleet.home,
      LANG: "C.UTF-8",
      NO_COLOR: "1",
      PASS: fleet.passphraseFile,
      ANNA: join(fleet.dir, "anna"),
      CLEAN: join(fleet.dir, "clean"),
      NEWPASS: join(fleet.dir, "new-passphrase"),
      HUB: fleet.hubUrl,
      HUB_DATA: fleet.hubDir,
      JOIN: /felhom-join-[a-z0-9-]+/.exec(fleet.quietly(["join-code", "-o", "json"]))?.[0] ?? "",
    },
  });
  return { code: done.exitCode ?? -1, output: `${done.stdout.toString()}${done.stderr.toString()}` };
}

for (const [page, least] of [
  ["running-commands.md", 10],
  ["signing.md", 15],
] as const) {
  test(`each step of ${page} does what the page says`, () => {
    const all = steps(page);
    expect(all.length).toBeGreaterThanOrEqual(least);
    for (const script of all) {
      const { code, output } = run(script);
      expect([script, code, code === 0 ? "" : output]).toEqual([script, 0, ""]);
    }
  }, 300_000);
}
