import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BINARY } from "../fleet/real-fleet.ts";
import { type Bench, pairedSeconds } from "./bench.ts";

/** `felhom version` against a hello compiled with the same flags: what every command pays before it does anything. */
export async function cliStart(): Promise<Bench[]> {
  const dir = mkdtempSync(join(tmpdir(), "felhom-bench-"));
  try {
    writeFileSync(join(dir, "hello.ts"), `console.log("hello");\n`);
    const built = Bun.spawnSync([
      process.execPath,
      "build",
      "--compile",
      "--splitting",
      "--bytecode",
      "--minify",
      "--format=esm",
      "--no-compile-autoload-dotenv",
      "--no-compile-autoload-bunfig",
      join(dir, "hello.ts"),
      "--outfile",
      join(dir, "hello"),
    ]);
    if (built.exitCode !== 0) throw new Error(built.stderr.toString());
    const { a, b } = pairedSeconds(21, [BINARY, "version"], [join(dir, "hello")]);
    return [{ bench: "cli.start", value: a, unit: "s", floor: b, floorName: "a compiled hello", ratio: a / b, mustReach: { at: "most", ratio: 2 } }];
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
