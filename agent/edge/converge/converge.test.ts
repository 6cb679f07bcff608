/** Whole runs on the real file system with a real render child: what `felhom local` and the agent's worker do. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { utf8 } from "../../../shared/core/bytes.ts";
import type { Command, Finished } from "../../../shared/ports/exec.ts";
import { testWorld, type TestWorld } from "../../../shared/sim/test-world.ts";
import { runRender } from "../../render.ts";
import { converge, type ConvergeInput } from "./converge.ts";

let world: TestWorld;
let dir: string;
let tree: string;

beforeEach(() => {
  world = testWorld();
  dir = world.dir;
  tree = `${dir}/tree`;
  mkdirSync(`${tree}/states`, { recursive: true });
  mkdirSync(`${tree}/files`);
  writeFileSync(`${tree}/fleet.yaml`, "name: test\n");
  writeFileSync(`${tree}/targets.yaml`, '- match: "true"\n  states: [base]\n');
});
afterEach(() => world.remove());

const state = (text: string): void => writeFileSync(`${tree}/states/base.yaml`, text);
const motd = (content: string): string => `${dir}/motd:\n  file:\n    content: ${JSON.stringify(content)}\n    mode: "0644"\n`;

const input = (more: Partial<ConvergeInput> = {}): ConvergeInput => ({
  treeDir: tree,
  host: { id: "h-test", name: "test" },
  labels: {},
  secrets: {},
  mode: "enforce",
  lastGood: undefined,
  retry: {},
  factsDirs: [],
  render: { argv: [...world.self.exe, "render"] },
  ...more,
});

describe("a run", () => {
  test("brings the box to what is declared, mends drift, and then has nothing to do", async () => {
    state(motd("hello\n"));
    const first = await converge(world, input());
    expect(first.rendered.ok).toBe(true);
    expect(first.counts).toEqual({ unchanged: 0, changed: 1, drifted: 0, failed: 0, skipped: 0, waiting: 0 });
    expect(first.planText).toContain(`~ file/${dir}/motd  write: it is absent`);
    expect((await converge(world, input())).counts).toMatchObject({ unchanged: 1, changed: 0 });
    writeFileSync(`${dir}/motd`, "by hand\n");
    const mended = await converge(world, input());
    expect(mended.outcomes).toEqual([{ id: `file/${dir}/motd`, outcome: "changed", reason: "its content differs" }]);
    expect(mended.planText).toContain("    -by hand\n    +hello");
    expect(readFileSync(`${dir}/motd`, "utf8")).toBe("hello\n");
  });

  test("monitor mode reports the same plan and changes nothing", async () => {
    state(motd("hello\n"));
    const seen = await converge(world, input({ mode: "monitor" }));
    expect(seen.counts).toMatchObject({ drifted: 1, changed: 0 });
    expect(existsSync(`${dir}/motd`)).toBe(false);
    expect((await converge(world, input())).planSha256).toBe(seen.planSha256);
  });

  test("what does not render leaves the last good resources in force, with the files of their own tree", async () => {
    mkdirSync(`${dir}/old/files`, { recursive: true });
    writeFileSync(`${dir}/old/files/page`, "from the old bundle\n");
    writeFileSync(`${tree}/files/page`, "from the old bundle\n");
    state(`${dir}/page:\n  file:\n    source: files/page\n`);
    const good = await converge(world, input());
    if (!good.rendered.ok) throw new Error("it did not render");
    writeFileSync(`${tree}/files/page`, "from the new bundle\n");
    state(`${dir}/page:\n  file:\n    content: "{{ settings.missing }}"\n`);
    rmSync(`${dir}/page`);
    const degraded = await converge(world, input({ lastGood: good.rendered.resources, lastGoodTreeDir: `${dir}/old` }));
    expect(degraded.enforced).toBe("last-good");
    expect(degraded.rendered.ok ? [] : degraded.rendered.faults[0]?.message).toContain("missing");
    expect(readFileSync(`${dir}/page`, "utf8")).toBe("from the old bundle\n");
  });

  test("with nothing good to go back to, nothing is enforced", async () => {
    state("not a state");
    const result = await converge(world, input());
    expect(result.enforced).toBe("nothing");
    expect(result.outcomes).toEqual([]);
    const damaged = await converge(world, input({ lastGood: [{ id: "file//etc/passwd", type: "file" }] }));
    expect(damaged.enforced).toBe("nothing");
  });

  test("secrets reach files and nothing else", async () => {
    state(
      `${dir}/key:\n  file:\n    content: "key {{ secrets.api }}\\n"\n${dir}/note:\n  command:\n    argv: [sh, -c, "exit 1"]\n    creates: ${dir}/canary-4711\n`,
    );
    const result = await converge(world, input({ secrets: { api: "canary-4711" } }));
    expect(readFileSync(`${dir}/key`, "utf8")).toBe("key canary-4711\n");
    expect(statSync(`${dir}/key`).mode & 0o777).toBe(0o600);
    const { rendered: _, planned: __, ...told } = result;
    expect(JSON.stringify(told)).not.toContain("canary-4711");
    expect(JSON.stringify(world.logged)).not.toContain("canary-4711");
  });
});

describe("the render child", () => {
  const faked = (answer: (command: Command, nth: number) => Partial<Finished>): { commands: Command[]; world: TestWorld } => {
    const commands: Command[] = [];
    const run = async (_: string, command: Command): Promise<Finished> => {
      commands.push(command);
      return {
        code: 0,
        signal: null,
        stdout: new Uint8Array(),
        stderr: utf8("canary"),
        truncated: false,
        timedOut: false,
        ...answer(command, commands.length),
      };
    };
    return { commands, world: { ...world, exec: { ...world.exec, run } } };
  };
  const faultOf = async (answer: Partial<Finished>): Promise<string> => {
    state(motd("x"));
    const result = await converge(faked(() => answer).world, input());
    return result.rendered.ok ? "rendered" : (result.rendered.faults[0]?.message ?? "");
  };

  test("gets an empty environment and limits", async () => {
    state(motd("x"));
    const { commands, world: watched } = faked(() => ({ code: 1 }));
    await converge(watched, input({ render: { argv: ["felhom", "render"] } }));
    expect(commands[0]).toMatchObject({
      argv: ["felhom", "render"],
      env: {},
      limits: { cpuSeconds: 60, dataBytes: 2_147_483_648 },
    });
  });

  test("whatever it does wrong is a rendering that failed, and its words go nowhere", async () => {
    expect(await faultOf({ timedOut: true, code: null })).toContain("longer than 60 s");
    expect(await faultOf({ truncated: true })).toContain("more than");
    expect(await faultOf({ code: 1 })).toBe("the rendering process ended with exit code 1");
    expect(await faultOf({ code: null, signal: "SIGKILL" })).toContain("SIGKILL");
    expect(await faultOf({ stdout: utf8("{") })).toContain("not JSON");
    expect(await faultOf({ stdout: utf8('{"ok":true,"resources":[{"id":"file//etc/shadow"}],"sources":[],"states":[],"defaults":{}}') })).toContain(
      "the answer of the rendering process",
    );
    expect(JSON.stringify(world.logged)).not.toContain("canary");
  });

  test("a new bundle with code is rendered twice; different answers are refused", async () => {
    writeFileSync(`${tree}/states/base.ts`, "export default () => [];\n");
    const real = await runRender(
      utf8(
        JSON.stringify({ files: { "fleet.yaml": "name: test\n", "targets.yaml": "[]\n" }, host: { id: "x", name: "x" }, labels: {}, facts: {}, secrets: {} }),
      ),
    );
    const other = utf8(JSON.stringify({ ...JSON.parse(new TextDecoder().decode(real)), states: ["other"] }));
    const same = faked(() => ({ stdout: real }));
    expect((await converge(same.world, input({ isNewBundle: true }))).rendered.ok).toBe(true);
    expect(same.commands).toHaveLength(2);
    const differing = faked((_, nth) => ({ stdout: nth === 1 ? real : other }));
    const { rendered } = await converge(differing.world, input({ isNewBundle: true }));
    expect(rendered.ok ? "" : rendered.faults[0]?.message).toContain("gave different resources");
  });
});

test("a tree that cannot be read whole is not rendered", async () => {
  state(motd("x"));
  writeFileSync(`${tree}/states/extra.yaml`, new Uint8Array([0xff]));
  chmodSync(`${tree}/states/extra.yaml`, 0o644);
  const result = await converge(world, input());
  expect(result.rendered.ok ? "" : result.rendered.faults[0]?.message).toBe("is not UTF-8");
  expect(existsSync(`${dir}/motd`)).toBe(false);
});
