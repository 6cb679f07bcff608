import { expect, test } from "bun:test";
import { LivenessCheck } from "../hub/edge/liveness/check.ts";
import type { Ran } from "../shared/sim/test-workstation.ts";
import { expectGolden } from "../shared/sim/golden.ts";
import { testHub } from "../shared/sim/test-hub.ts";
import { testWorkstation } from "../shared/sim/test-workstation.ts";
import { wireBox } from "../shared/sim/wire-box.ts";

/**
 * Every screen of one small fleet with something wrong in it, as people see it at 80 and 160 columns, in ASCII, in colour, and as JSON.
 * A changed golden is a changed promise: look at it. Hostile text is part of the fleet.
 */
const TESTDATA = `${import.meta.dir}/testdata/screens`;

async function fleet() {
  const hub = await testHub();
  const desk = await testWorkstation(hub);
  const pass = `--passphrase-file ${desk.passphraseFile}`;
  const names = ["kovacs-1", "dental-1", "gyor-2", "szeg-1"];
  const boxes = [];
  for (const name of names) boxes.push(await wireBox(hub, name));
  const [kovacs, dental, gyor, szeg] = boxes;
  if (kovacs === undefined || dental === undefined || gyor === undefined || szeg === undefined) throw new Error("four boxes");
  for (const box of boxes) {
    const done = await desk.run(`host approve ${box.label} --words ${box.words} -l site=${box.label.slice(0, -2)} -l role=shop --yes ${pass}`);
    if (done.code !== 0) throw new Error(done.stderr);
    await box.collect();
  }
  for (const [path, text] of Object.entries({
    "fleet.yaml": "name: test\n",
    "targets.yaml": "- match: 'true'\n  states: [base]\n",
    "states/base.yaml": "/etc/motd:\n  file:\n    content: hello\n",
    "files/motd": "hello\n",
  }))
    await Bun.write(`${hub.world.dir}/fleet/${path}`, text);
  await desk.run(["publish", "fleet", "--yes", "--message", "first bundle", "--passphrase-file", desk.passphraseFile]);
  await szeg.sync({ report: {} }, { bundle: 1 });
  const check = new LivenessCheck(hub.hub);
  for (let turn = 0; turn < 240; turn += 1) {
    await hub.world.clock.advance(15_000);
    await check.run();
  }
  await Bun.write(`${hub.world.dir}/fleet/states/base.yaml`, "/etc/motd:\n  file:\n    content: changed\n");
  await desk.run(["publish", "fleet", "--yes", "--message", "say hello \u001b[31mlouder\u202e", "--passphrase-file", desk.passphraseFile]);
  await kovacs.sync(
    {
      report: { bundle: 2 },
      facts: {
        os: { family: "debian", name: "debian", version: "13" },
        kernel: { arch: "x86_64", release: "6.12.9" },
        memory: { total_mb: 16_384 },
        network: { addresses: ["192.0.2.7", "2001:db8::7"] },
        motd: "\u001b]0;owned\u0007",
      },
    },
    { bundle: 2 },
  );
  await dental.sync(
    {
      report: {
        bundle: 2,
        mode: "monitor",
        counts: { unchanged: 9, changed: 0, drifted: 3, failed: 0, skipped: 0, waiting: 0 },
        resources: [{ id: "file//etc/nginx/nginx.conf", outcome: "drifted", reason: "edited by hand" }],
      },
    },
    { bundle: 2 },
  );
  await gyor.sync(
    {
      report: {
        bundle: 1,
        refused: { bundle: 2, code: "render_failed", because: "states/base.yaml:3 no such setting: motd.text" },
        counts: { unchanged: 9, changed: 0, drifted: 0, failed: 2, skipped: 1, waiting: 0 },
        resources: [
          {
            id: "service/nginx",
            outcome: "failed",
            reason: 'nginx -t: unknown directive "ssl_protocol" in /etc/nginx/conf.d/tls.conf:3, and then some \u001b[2J',
          },
          { id: "package/nginx", outcome: "failed", reason: "apt-get: 100" },
          { id: "file//etc/nginx/conf.d/tls.conf", outcome: "skipped", reason: "requires package/nginx, which failed" },
        ],
      },
    },
    { bundle: 1 },
  );
  await wireBox(hub, "pve", { "os.name": "proxmox \u001b[7m", "os.version": "9.1" });
  await wireBox(hub, "pve-2", {}, "pve");
  await hub.world.clock.advance(47_000);
  return { hub, desk };
}

const COMMANDS: readonly (readonly [name: string, words: readonly string[]])[] = [
  ["audit", ["audit", "--limit", "8"]],
  ["bundle-diff", ["bundle", "diff"]],
  ["bundle-list", ["bundle", "list"]],
  ["bundle-show", ["bundle", "show"]],
  ["context-list", ["context", "list"]],
  ["doctor", ["doctor", "--hub"]],
  ["event-list", ["event", "list", "--limit", "12"]],
  ["host-list", ["host", "list"]],
  ["host-list-pending", ["host", "list", "--pending"]],
  ["host-list-wide", ["host", "list", "-o", "wide"]],
  ["host-show-failed", ["host", "show", "gyor-2"]],
  ["host-show-ok", ["host", "show", "kovacs-1", "--facts"]],
  ["host-spec", ["host", "spec", "kovacs-1"]],
  ["host-timeline", ["host", "timeline", "gyor-2"]],
  ["publish-dry-run", ["publish", "fleet", "--dry-run"]],
  ["status", ["status"]],
];

const SHAPES = [
  { suffix: "80", columns: 80, tty: true },
  { suffix: "160", columns: 160, tty: true },
  { suffix: "ascii", columns: 80, tty: true, unicode: false },
  { suffix: "colour", columns: 80, tty: true, colour: true },
] as const;

test("every screen is as it was promised, at every shape, and no hostile byte gets through", async () => {
  const { hub, desk } = await fleet();
  using _hub = hub;
  for (const [name, words] of COMMANDS) {
    for (const { suffix, ...shape } of SHAPES) {
      const ran = await desk.run(words, shape);
      const shown = stable(`${ran.stdout}${ran.stderr === "" ? "" : `--- stderr\n${ran.stderr}`}exit ${ran.code}\n`, hub.world.dir);
      expectGolden(shown, `${TESTDATA}/${name}.${suffix}.txt`);
      checkScreen(name, ran, shape);
    }
    const json = await desk.run([...words, "-o", "json"]);
    expectGolden(stable(`${JSON.stringify(JSON.parse(json.stdout), undefined, 2)}\n`, hub.world.dir), `${TESTDATA}/${name}.json`);
    expect([name, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/.test(json.stdout)]).toEqual([name, false]);
  }
});

function checkScreen(name: string, ran: Ran, shape: { readonly columns: number; readonly colour?: boolean; readonly unicode?: boolean }): void {
  const plain = ran.stdout.replace(/\u001b\[(?:0|1|1;)?(?:38;5;\d+)?m/g, "");
  expect([name, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]/.test(plain)]).toEqual([name, false]);
  if (shape.unicode === false) expect([name, /[^\u0000-\u007f]/.test(ran.stdout)]).toEqual([name, false]);
  for (const line of [...plain.split("\n"), ...ran.stderr.split("\n").map((line) => line.replace(/\u001b\[[0-9;]*m/g, ""))])
    expect([name, line, Bun.stringWidth(line) <= shape.columns]).toEqual([name, line, true]);
}

/** What differs from run to run although the seed is the same: the scratch directory, Bun's own byte counts of the database. */
function stable(text: string, dir: string): string {
  return text
    .replaceAll(dir, "/scratch")
    .replace(/[\d.]+ [KM]iB, schema/g, "N bytes, schema")
    .replace(/"bytes": \d{5,}/g, '"bytes": 0');
}
