/** Every command of the page on boxes that no network reaches, read from the page and run in order: at home, and at a box in an empty network namespace. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { noNetwork } from "../../scripts/fleet/no-network.ts";
import { BINARY, type Box, projectRoot, RealFleet } from "../../scripts/fleet/real-fleet.ts";

const fleet = new RealFleet({ lightVault: true });
const scene: { box?: Box } = {};

beforeAll(async () => {
  await fleet.start();
  scene.box = fleet.enroll("shed");
  // Where a namespace can't be made the page is true as well: the hub is then merely quicker than the stick.
  await fleet.startAgent(scene.box, noNetwork() ?? []);
  mkdirSync(join(fleet.dir, "bin"));
  symlinkSync(BINARY, join(fleet.dir, "bin", "felhom"));
}, 240_000);
afterAll(() => fleet.stop());

interface Step {
  readonly onBox: boolean;
  readonly script: string;
}

function steps(): readonly Step[] {
  const text = readFileSync(join(projectRoot, "docs", "operations", "carrying-ops.md"), "utf8");
  return [...text.matchAll(/^```sh( on the box)?\n([\s\S]*?)^```$/gm)].map((match) => ({ onBox: match[1] !== undefined, script: match[2] ?? "" }));
}

function run({ onBox, script }: Step): { readonly code: number; readonly output: string } {
  const done = Bun.spawnSync(["timeout", "60", "sh", "-euc", script], {
    cwd: fleet.dir,
    stdin: "ignore",
    env: {
      PATH: `${join(fleet.dir, "bin")}:${process.env["PATH"] ?? "/usr/bin:/bin"}`,
      LANG: "C.UTF-8",
      NO_COLOR: "1",
      HOME: fleet.dir,
      ...(onBox ? { FELHOM_DATA_DIR: scene.box?.dataDir ?? "" } : { FELHOM_HOME: fleet.home, PASS: fleet.passphraseFile }),
    },
  });
  return { code: done.exitCode ?? -1, output: `${done.stdout.toString()}${done.stderr.toString()}` };
}

test("each step of carrying-ops.md does what the page says", () => {
  const all = steps();
  expect(all.map(({ onBox }) => onBox)).toEqual([false, true, true, false, false]);
  for (const step of all) {
    const { code, output } = run(step);
    expect([step.script, code, code === 0 ? "" : `${output}${fleet.logTails()}`]).toEqual([step.script, 0, ""]);
  }
  const [item] = JSON.parse(fleet.operator(["job", "list", "-o", "json"]).stdout).items;
  expect(item).toMatchObject({ state: "done", counts: { returned: 1 } });
}, 300_000);
