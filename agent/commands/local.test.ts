/** The `local` commands as a person types them: what they print, how they end, what they leave behind. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import type { Call } from "../../shared/cli/command.ts";
import { fakeCall, fakeTerminal, type FakeTerminal } from "../../shared/sim/fake-terminal.ts";
import { testWorld, type TestWorld } from "../../shared/sim/test-world.ts";
import { run as apply } from "./local-apply.ts";
import { run as facts } from "./local-facts.ts";
import { run as plan } from "./local-plan.ts";
import { run as render } from "./local-render.ts";

let world: TestWorld;
let dir: string;
let terminal: FakeTerminal;

beforeEach(() => {
  // As an ordinary user: no lock and no state file outside of the test's own directory, and the child runs as ourselves.
  const base = testWorld();
  world = { ...base, self: { ...base.self, uid: process.getuid?.() === 0 ? 65_534 : base.self.uid } };
  dir = world.dir;
  mkdirSync(`${dir}/fleet/states`, { recursive: true });
  writeFileSync(`${dir}/fleet/fleet.yaml`, "name: test\n");
  writeFileSync(`${dir}/fleet/targets.yaml`, "- match: \"label.role == 'web'\"\n  states: [base]\n");
  writeFileSync(
    `${dir}/fleet/states/base.yaml`,
    `${dir}/motd:\n  file:\n    content: "hello {{ host.name }}\\n"\n${dir}/key:\n  file:\n    content: "{{ secrets.api }}"\n`,
  );
  writeFileSync(`${dir}/secrets.yaml`, "api: canary-4711\n");
  chmodSync(`${dir}/secrets.yaml`, 0o600);
});
afterEach(() => world.remove());

async function run(
  command: (call: Call) => Promise<number>,
  options: Call["options"] = {},
  globals: Partial<Call["globals"]> = {},
): Promise<{ code: number; out: string }> {
  terminal = fakeTerminal({ columns: 80 });
  const shared = { name: "web-1", label: ["role=web"], "secrets-file": "secrets.yaml", "facts-dir": [`${dir}/none`] };
  const code = await command(fakeCall({ world, terminal, args: { dir: "fleet" }, options: { ...shared, ...options }, globals, cwd: dir }));
  return {
    code,
    out: terminal
      .stdout()
      .replaceAll(dir, "DIR")
      .replaceAll(/\d+ ms|\d\.\d s/g, "N ms"),
  };
}

test("plan, apply, apply again, plan: the same words, and nothing to do at the end", async () => {
  expect(await run(plan, { "exit-code": true })).toEqual({
    code: 3,
    out: [
      "~ file/DIR/motd  write: it is absent",
      "    --- DIR/motd (now)",
      "    +++ DIR/motd (wanted)",
      "    @@ -0,0 +1 @@",
      "    +hello web-1",
      "~ file/DIR/key  write: it is absent",
      "    (made from a secret: not shown)",
      "2 resources: 2 to change",
      "",
    ].join("\n"),
  });
  expect(existsSync(`${dir}/motd`)).toBe(false);
  expect(await run(apply, {}, { dryRun: true })).toMatchObject({ code: 0, out: expect.stringContaining("2 resources: 2 to change") });
  expect(existsSync(`${dir}/motd`)).toBe(false);
  expect(await run(apply)).toEqual({ code: 0, out: "~ changed  file/DIR/motd  it is absent\n~ changed  file/DIR/key  it is absent\n2 changed in N ms\n" });
  expect(readFileSync(`${dir}/key`, "utf8")).toBe("canary-4711");
  expect(await run(apply, { "exit-code": true })).toEqual({ code: 0, out: "2 resources, nothing to change (N ms)\n" });
  expect(await run(plan, { "exit-code": true })).toEqual({ code: 0, out: "2 resources, nothing to change\n" });
});

describe("machines get", () => {
  test("an apply as JSON, and exit 4 when something failed", async () => {
    mkdirSync(`${dir}/motd`);
    const { code, out } = await run(apply, {}, { output: "json" });
    expect(code).toBe(4);
    expect(JSON.parse(out)).toMatchObject({
      apiVersion: "felhom/v1",
      kind: "LocalApply",
      counts: { changed: 1, failed: 1 },
      items: [
        { name: "file/DIR/motd", outcome: "failed", reason: "a directory is in the place of the file" },
        { name: "file/DIR/key", outcome: "changed" },
      ],
    });
  });

  test("a plan and the resources without what was made from a secret", async () => {
    for (const command of [plan, render]) {
      const { code, out } = await run(command, {}, { output: "json" });
      expect(code).toBe(0);
      expect(out).toContain("hello web-1");
      expect(out).not.toContain("canary");
    }
  });
});

test("a fleet that does not render ends with 2, says where, and touches nothing", async () => {
  expect((await run(apply, { "secrets-file": undefined })).code).toBe(2);
  expect(terminal.stdout()).toMatch(/states\/base\.yaml:\d/);
  expect(terminal.stdout()).toContain("nothing was touched");
  expect(existsSync(`${dir}/motd`)).toBe(false);
});

test("targets follow the labels that are given; facts shows what they see", async () => {
  expect((await run(plan, { label: ["role=db"] })).out).toBe("0 resources, nothing to change\n");
  const { out } = await run(facts);
  expect(out).toContain("host.name");
  expect(out).toMatch(/label\.role +web\n/);
  expect(out).toMatch(/fact\.kernel\.name +Linux\n/);
});

test("a reload that is pending is remembered in the state file, which goes away when there is nothing to remember", async () => {
  writeFileSync(
    `${dir}/fleet/states/base.yaml`,
    `${dir}/conf:\n  file:\n    content: "a\\n"\nreload:\n  command:\n    argv: [test, -e, ${dir}/can-reload]\n    onChange: true\n  watch: [file/${dir}/conf]\n`,
  );
  const state = { "state-file": "state.json" };
  expect(await run(apply, state)).toMatchObject({ code: 4, out: expect.stringContaining("1 changed, 1 failed") });
  expect(existsSync(`${dir}/state.json`)).toBe(true);
  writeFileSync(`${dir}/can-reload`, "");
  expect(await run(apply, state)).toMatchObject({ code: 0, out: expect.stringContaining("~ changed  command/reload") });
  expect(existsSync(`${dir}/state.json`)).toBe(false);
  expect(await run(apply, state)).toMatchObject({ code: 0, out: expect.stringContaining("nothing to change") });
});

test("what cannot be meant is refused before anything runs", async () => {
  const refusal = async (options: Call["options"]): Promise<string> => {
    try {
      await run(plan, options);
      return "accepted";
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  };
  expect(await refusal({ label: ["role"] })).toBe('Cannot read label "role": it is not KEY=VALUE');
  expect(await refusal({ name: "Not A Name" })).toContain("Cannot be host");
  writeFileSync(`${dir}/secrets.yaml`, "api: [canary-4711]\n");
  expect(await refusal({})).toBe("Cannot read secrets.yaml: it is not a map of secret names to texts");
});
