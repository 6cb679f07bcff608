/** Every command of the page on NATS, read from the page and run in order, against real processes and a real nats-server. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { BINARY, type Box, projectRoot, RealFleet } from "../../scripts/fleet/real-fleet.ts";
import { freePort } from "../../shared/sim/free-port.ts";
import { natsServer, whyNoNats } from "../../shared/sim/real-nats.ts";

const hubFlags: string[] = [];
const fleet = new RealFleet({ hubFlags, lightVault: true });
const state: { box?: Box; port: number } = { port: 0 };

beforeAll(async () => {
  state.port = await freePort();
  // What the page's step 3 puts into the settings file.
  hubFlags.push("--nats-urls", `tls://localhost:${state.port}`);
  await fleet.start();
  state.box = await fleet.addBox("box-1");
  mkdirSync(join(fleet.dir, "bin"));
  symlinkSync(BINARY, join(fleet.dir, "bin", "felhom"));
}, 240_000);
afterAll(async () => {
  // Only when a step failed before the page's own last one; the number may be somebody else's by now.
  const pidFile = join(fleet.dir, "nats.pid");
  const pid = existsSync(pidFile) ? readFileSync(pidFile, "utf8").trim() : "";
  if (pid !== "" && existsSync(`/proc/${pid}/cmdline`) && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(fleet.dir))
    process.kill(Number(pid), "SIGKILL");
  await fleet.stop();
});

function steps(): readonly string[] {
  const text = readFileSync(join(projectRoot, "docs", "operations", "nats.md"), "utf8");
  return [...text.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map((match) => match[1] ?? "");
}

function run(script: string): { readonly code: number; readonly output: string } {
  const done = Bun.spawnSync(["timeout", "60", "sh", "-euc", script], {
    cwd: fleet.dir,
    stdin: "ignore",
    env: {
      PATH: `${join(fleet.dir, "bin")}:${process.env["PATH"] ?? "/usr/bin:/bin"}:/usr/sbin:/sbin`,
      HOME: fleet.dir,
      FELHOM_HOME: fleet.home,
      LANG: "C.UTF-8",
      NO_COLOR: "1",
      PASS: fleet.passphraseFile,
      HUB_DIR: fleet.hubDir,
      NATS: `localhost:${state.port}`,
      BOX: state.box?.dataDir ?? "",
    },
  });
  return { code: done.exitCode ?? -1, output: `${done.stdout.toString()}${done.stderr.toString()}` };
}

test.skipIf(natsServer === null)(
  `each step of nats.md does what the page says ${whyNoNats}`,
  () => {
    const all = steps();
    expect(all.length).toBeGreaterThanOrEqual(10);
    for (const script of all) {
      const { code, output } = run(script);
      expect([script, code, code === 0 ? "" : `${output}${fleet.logTails()}`]).toEqual([script, 0, ""]);
    }
  },
  300_000,
);
