import { expect, test } from "bun:test";
import { AGENT_TABLES } from "../agent/tables.ts";
import { HUB_TABLES } from "../hub/tables.ts";
import { fakeTerminal } from "../shared/sim/fake-terminal.ts";
import { expectGolden } from "../shared/sim/golden.ts";
import { testWorld } from "../shared/sim/test-world.ts";
import { completionScript, SHELLS } from "./core/cli/completion-script.ts";
import { commandHelp } from "./core/cli/help-text.ts";
import { NOUN_GROUPS } from "./core/cli/noun-groups.ts";
import { optionsOf } from "./core/cli/global-options.ts";
import { codesPage } from "./core/docs/exit-codes.ts";
import { commandPage } from "./core/docs/command-page.ts";
import { manPages } from "./core/docs/man-page.ts";
import { runCommand } from "./mode.ts";
import { allCommands, joinedTables } from "./run.ts";

const TESTDATA = `${import.meta.dir}/testdata/help`;
const TABLES = { ...AGENT_TABLES, ...HUB_TABLES };
const catalogue = () => allCommands(joinedTables(TABLES));

async function run(argv: readonly string[], columns = 80) {
  using world = testWorld();
  const terminal = fakeTerminal({ tty: true, columns });
  const code = await runCommand({ argv, env: {}, cwd: "/", terminal, world, tables: TABLES });
  return { code, stdout: terminal.stdout(), stderr: terminal.stderr() };
}

test("help reads as it was promised", async () => {
  for (const columns of [80, 160]) {
    for (const [name, argv] of [
      ["overview", ["help"]],
      ["host", ["help", "host"]],
      ["host-approve", ["host", "approve", "--help"]],
      ["global", ["help", "global"]],
      ["search", ["help", "words"]],
    ] as const) {
      const { code, stdout } = await run(argv, columns);
      expect([name, code]).toEqual([name, 0]);
      expectGolden(stdout, `${TESTDATA}/${name}.${columns}.txt`);
      for (const line of stdout.split("\n")) expect([line, Bun.stringWidth(line) <= columns || line.startsWith("  felhom ")]).toEqual([line, true]);
    }
  }
});

test("every command: a summary without a full stop, examples that parse, options named once, lines that fit", async () => {
  const commands = await catalogue();
  const listed = new Set(NOUN_GROUPS.flatMap(({ nouns }) => nouns));
  for (const command of commands) {
    const name = command.path.join(" ");
    expect([name, listed.has(command.path[0])]).toEqual([name, true]);
    expect([name, command.summary.endsWith(".") || command.summary === ""]).toEqual([name, false]);
    expect([name, command.examples.length > 0]).toEqual([name, true]);
    const names = optionsOf(command).map((option) => option.name);
    expect([name, new Set(names).size]).toEqual([name, names.length]);
    const shorts = optionsOf(command).flatMap((option) => option.short ?? []);
    expect([name, new Set(shorts).size]).toEqual([name, shorts.length]);
    for (const line of commandHelp(command, { colour: false, columns: 80 }).split("\n"))
      expect([name, line, Bun.stringWidth(line) <= 80 || /^ {2}.*\bfelhom /.test(line)]).toEqual([name, line, true]);
  }
  expect(new Set(commands.map(({ path }) => path.join(" "))).size).toBe(commands.length);
});

test("every example in help is a command line that its own command takes", async () => {
  const { findCommand } = await import("./core/cli/find-command.ts");
  const { parseCommand } = await import("./core/cli/parse-command.ts");
  const commands = await catalogue();
  for (const command of commands) {
    for (const example of command.examples) {
      const line =
        /(?:^|<\(|\| |sudo )felhom ([^|>)&]*)/.exec(example.run.replace(/^felhom-sign --/, "felhom sign ").replace(/\$\([^)]*\)/g, "X"))?.[1]?.trim() ?? "";
      const words = [...line.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map((match) => match[1] ?? match[2] ?? match[3] ?? "");
      const found = findCommand(commands, words);
      expect([example.run, found?.command.path.join(" ")]).toEqual([example.run, command.path.join(" ")]);
      if (found !== undefined) expect(() => parseCommand(found.command, found.rest)).not.toThrow();
    }
  }
});

test("every code of a command loads", async () => {
  const services = ["agent", "hub", "watchdog"];
  for (const command of await catalogue()) {
    if (command.path.length === 1 && services.includes(command.path[0])) continue;
    expect([command.path.join(" "), typeof (await command.load()).run]).toEqual([command.path.join(" "), "function"]);
  }
});

test("exit codes of wrong usage, and a guess that is not run", async () => {
  const table: readonly (readonly [string, number, string])[] = [
    ["hots list", 2, "Did you mean felhom host?"],
    ["host lst", 2, "Did you mean felhom host list?"],
    ["host", 2, "felhom host VERB --help"],
    ["host list --pendign", 2, "Did you mean --pending?"],
    ["host list -o xml", 2, "One of table, wide, name, json, jsonl, yaml."],
    ["help qqqqq", 1, "felhom help lists all commands."],
    ["ls", 2, "felhom help ls searches"],
  ];
  for (const [line, code, said] of table)
    expect([line, await run(line.split(" "))]).toEqual([line, expect.objectContaining({ code, stderr: expect.stringContaining(said) })]);
});

test("a flag where a verb belongs is named; global flags alone ask for the noun's help", async () => {
  for (const argv of [
    ["sign", "--bogus"],
    ["job", "-o", "json", "--bogus=1"],
  ]) {
    const { code, stderr } = await run(argv);
    expect([argv, code, stderr.includes("--bogus: it takes a verb first")]).toEqual([argv, 2, true]);
  }
  expect((await run(["job", "--home", "/h"])).stderr).toContain("Commands");
});

test("version is one line, and the long form is data", async () => {
  const { VERSION } = await import("../shared/version.ts");
  expect(await run(["version"])).toEqual({ code: 0, stdout: `felhom ${VERSION} (protocol 1, bun ${Bun.version})\n`, stderr: "" });
  expect((await run(["--version"])).stdout).toStartWith(`felhom ${VERSION}`);
  expect(JSON.parse((await run(["version", "-o", "json"])).stdout)).toMatchObject({ kind: "Version", version: VERSION, protocol: 1 });
});

test("a reader that leaves ends a command with 0, an interrupt with 130", async () => {
  using world = testWorld();
  const { Fault } = await import("../shared/core/fault.ts");
  const gone = {
    ...fakeTerminal(),
    out: () => {
      throw new Fault("pipe_closed", "Cannot write");
    },
  };
  expect(await runCommand({ argv: ["help"], env: {}, cwd: "/", terminal: gone, world, tables: TABLES })).toBe(0);
  const stop = new AbortController();
  stop.abort();
  const code = runCommand({ argv: ["config", "print"], env: {}, cwd: "/", terminal: fakeTerminal({ interrupted: stop.signal }), world, tables: TABLES });
  await world.clock.advance(5_000);
  expect(await code).toBe(130);
});

test("bash takes the completion script, and completes from it", async () => {
  const commands = await catalogue();
  for (const shell of SHELLS) expect(completionScript(shell, commands)).toContain("approve");
  const script = completionScript("bash", commands);
  const complete = (...words: readonly string[]): readonly string[] => {
    const probe = `${script}\nCOMP_WORDS=(${["felhom", ...words].map((word) => `'${word}'`).join(" ")}); COMP_CWORD=${words.length}; _felhom; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const done = Bun.spawnSync(["bash", "-c", probe]);
    expect(done.stderr.toString()).toBe("");
    return done.stdout.toString().trim().split("\n");
  };
  expect(complete("ho")).toEqual(["host"]);
  expect(complete("host", "re")).toEqual(["reject", "revoke"]);
  expect(complete("--context", "home", "host", "l")).toEqual(["label", "list"]);
  expect(complete("host", "approve", "--wo")).toEqual(["--words"]);
  expect(complete("audit", "")).toEqual(["verify"]);
});

test("manual pages are roff that man takes without a word", async () => {
  const pages = manPages(await catalogue(), "0.0.0");
  expect(pages[0]?.file).toBe("felhom.1");
  const page = pages.find(({ file }) => file === "felhom-host-approve.1");
  expectGolden(page?.text ?? "", `${TESTDATA}/felhom-host-approve.1`);
  if (Bun.which("groff") === null) return;
  for (const { file, text } of pages) {
    const done = Bun.spawnSync(["groff", "-man", "-Tutf8", "-wall", "-z"], { stdin: Buffer.from(text) });
    expect([file, done.stderr.toString()]).toEqual([file, ""]);
  }
});

test("the generated pages name every command, option and code", async () => {
  const commands = await catalogue();
  const page = commandPage(commands);
  for (const command of commands) expect(page).toContain(`### felhom ${command.path.join(" ")}\n`);
  const { FAULTS } = await import("../shared/core/fault-code.ts");
  const { REFUSALS } = await import("../shared/trust/verdict.ts");
  for (const code of [...Object.keys(FAULTS), ...Object.keys(REFUSALS)]) expect(codesPage()).toContain(`\`${code}\``);
});
