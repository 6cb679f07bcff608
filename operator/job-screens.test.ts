import { expect, test } from "bun:test";
import { base64, utf8 } from "../shared/core/bytes.ts";
import { expectGolden } from "../shared/sim/golden.ts";
import { speakers } from "../shared/sim/speaker.ts";
import { testHub } from "../shared/sim/test-hub.ts";
import { testWorkstation } from "../shared/sim/test-workstation.ts";

/**
 * Every screen about jobs, as people see it at 80 and 160 columns, in ASCII, in colour, and as JSON: answers that are the same, one that is
 * hostile, one that failed, one that is away. A changed golden is a changed promise.
 */
const TESTDATA = `${import.meta.dir}/testdata/screens`;

const SHAPES = [
  { suffix: "80", columns: 80, tty: true },
  { suffix: "160", columns: 160, tty: true },
  { suffix: "ascii", columns: 80, tty: true, unicode: false },
  { suffix: "colour", columns: 80, tty: true, colour: true },
] as const;

const COMMANDS: readonly (readonly [name: string, words: readonly string[]])[] = [
  ["job-list", ["job", "list"]],
  ["job-results", ["job", "results", "last"]],
  ["job-show", ["job", "show", "last"]],
  ["op-list", ["op", "list", "--all"]],
  [
    "run-dry-run",
    ["run", "label.role == 'shop'", "service.restart", "name=nginx", "--batch", "2", "--pause", "30s", "--max-fail", "1", "--seed", "7f1", "--dry-run"],
  ],
];

test("every screen about jobs is as it was promised, at every shape, and no hostile byte gets through", async () => {
  using hub = await testHub();
  const desk = await testWorkstation(hub);
  const pass = ["--yes", "--passphrase-file", desk.passphraseFile];
  const [kovacs, ...others] = await speakers(hub, "kovacs-1", "dental-1", "gyor-2", "szeg-1");
  for (const { box } of [kovacs, ...others]) await desk.run(["host", "label", box.name, "role=shop", ...pass]);
  const [dental, gyor] = others;
  if (dental === undefined || gyor === undefined) throw new Error("four boxes");
  await desk.run(["op", "draft", "gyor-2", "host.reboot", "--note", "after the kernel", "--reason", "new \u001b[31mkernel\u202e", "--yes"]);
  await desk.run(["run", "*", "cmd.run", "--detach", "--expires", "2h", ...pass, "--", "zpool", "list", "-H", "rpool\u001b[2J"]);
  await hub.world.clock.advance(2_000);
  const said = (stdout: string) => [{ state: "done" as const, exit: 0, duration_ms: 412, stdout: base64(utf8(stdout)) }];
  await kovacs.serve(() => said("rpool  928G  301G  ONLINE\nscan: none\n"));
  await dental.serve(() => said("rpool  928G  301G  ONLINE\nscan: none\n"));
  await gyor.serve(() => [
    {
      state: "failed",
      code: "exit",
      exit: 127,
      duration_ms: 9,
      stderr: base64(utf8("sh: zpool: \u001b]0;owned\u0007not found\u202e and a line that is long enough to be cut on a narrow window\n")),
    },
  ]);
  await hub.world.clock.advance(47_000);
  for (const [name, words] of COMMANDS) {
    for (const { suffix, ...shape } of SHAPES) {
      const ran = await desk.run(words, shape);
      expectGolden(stable(`${ran.stdout}${ran.stderr === "" ? "" : `--- stderr\n${ran.stderr}`}exit ${ran.code}\n`), `${TESTDATA}/${name}.${suffix}.txt`);
      const plain = `${ran.stdout}${ran.stderr}`.replace(/\u001b\[(?:0|1|1;)?(?:38;5;\d+)?m/g, "");
      expect([name, suffix, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]/.test(plain)]).toEqual([
        name,
        suffix,
        false,
      ]);
      if ("unicode" in shape) expect([name, /[^\u0000-\u007f]/.test(ran.stdout)]).toEqual([name, false]);
      for (const line of plain.split("\n")) expect([name, suffix, line, Bun.stringWidth(line) <= shape.columns]).toEqual([name, suffix, line, true]);
    }
    const json = await desk.run([...words, "-o", "json"]);
    expectGolden(stable(`${JSON.stringify(JSON.parse(json.stdout), undefined, 2)}\n`), `${TESTDATA}/${name}.json`);
  }
});

/** Ids, nonces and digests of ops are random. */
function stable(text: string): string {
  return text
    .replace(/o-[a-z2-7]{16}/g, "o-aaaaaaaaaaaaaaaa")
    .replace(/(digest +)[0-9a-f]{4}( [0-9a-f]{4}){3}/g, (_, head: string) => `${head}0000 0000 0000 0000`)
    .replace(/("sha256": ")[0-9a-f]{64}/g, `$1${"0".repeat(64)}`);
}
