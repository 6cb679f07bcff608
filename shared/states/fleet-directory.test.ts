import { describe, expect, test } from "bun:test";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { testWorld } from "../sim/test-world.ts";
import { FILES_MAX, isRenderSource, listFleet, readFleetSources } from "./fleet-directory.ts";
import { faultText } from "./state-fault.ts";

function fleetIn(dir: string, files: Readonly<Record<string, string | Uint8Array>>): string {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(`${dir}/f/${path}`.replace(/\/[^/]*$/, ""), { recursive: true });
    writeFileSync(`${dir}/f/${path}`, content);
  }
  return `${dir}/f`;
}

const faultsOf = (checked: ReturnType<typeof listFleet> | ReturnType<typeof readFleetSources>) =>
  checked.ok ? [] : checked.faults.map((fault) => faultText(fault).split("\n")[0]);

describe("a fleet directory", () => {
  test("is its documents and three folders, and nothing else that lies there", () => {
    using world = testWorld();
    const dir = fleetIn(world.dir, {
      "fleet.yaml": "",
      "targets.yaml": "",
      "states/a.yaml": "a: {}",
      "states/deep/b.ts": "",
      "settings/hosts/x.yaml": "",
      "files/motd.liquid": "é",
      "files/.hidden": "",
      "files/bin": new Uint8Array([0, 255]),
      "README.md": "",
      ".git/config": "",
      ".felhom/x": "",
      "facts/a.json": "",
      "states/.gitkeep": "",
    });
    const read = readFleetSources(world.files, dir);
    expect(read.ok && read.value.paths).toEqual([
      "files/.hidden",
      "files/bin",
      "files/motd.liquid",
      "fleet.yaml",
      "settings/hosts/x.yaml",
      "states/.gitkeep",
      "states/a.yaml",
      "states/deep/b.ts",
      "targets.yaml",
    ]);
    expect(read.ok && Object.entries({ ...read.value.sources })).toEqual([
      ["files/motd.liquid", "é"],
      ["fleet.yaml", ""],
      ["settings/hosts/x.yaml", ""],
      ["states/a.yaml", "a: {}"],
      ["states/deep/b.ts", ""],
      ["targets.yaml", ""],
    ]);
  });

  test("keeps whether a file may be executed, and no more of its mode", () => {
    using world = testWorld();
    const dir = fleetIn(world.dir, { "files/run": "", "files/read": "" });
    world.files.chmod("test", `${dir}/files/run`, 0o4777);
    world.files.chmod("test", `${dir}/files/read`, 0o600);
    const listed = listFleet(world.files, dir);
    expect(listed.ok && listed.value.map(({ path, mode }) => [path, mode])).toEqual([
      ["files/read", 0o644],
      ["files/run", 0o755],
    ]);
  });

  test.each([
    ["states/web.yml", "states/web.yml: is neither .yaml nor .ts"],
    ["states/web.yaml~", "states/web.yaml~: has a name that a bundle cannot carry"],
    ["settings/x.json", "settings/x.json: is neither .yaml nor .ts"],
    ["files/naïve", "files/naïve: has a name that a bundle cannot carry"],
    ["files/a\nb", "files/a\nb: has a name that a bundle cannot carry"],
    [`files/${"d/".repeat(18)}x`, `files/${"d/".repeat(16)}d: lies deeper than 16 folders`],
  ])("refuses %j by name", (path, fault) => {
    using world = testWorld();
    expect(faultsOf(listFleet(world.files, fleetIn(world.dir, { [path]: "" }))).join("\n")).toContain(fault.split("\n")[0] ?? "");
  });

  test("carries no links, wherever they lead", () => {
    using world = testWorld();
    const dir = fleetIn(world.dir, { "files/a": "" });
    symlinkSync("/etc/shadow", `${dir}/files/link`);
    symlinkSync("files", `${dir}/states`);
    expect(faultsOf(listFleet(world.files, dir))).toEqual([
      "files/link: is a symbolic link: a bundle carries regular files only",
      "states: is a symbolic link: a bundle carries regular files only",
    ]);
  });

  test("says what is not UTF-8 or too large, and where there is nothing", () => {
    using world = testWorld();
    const dir = fleetIn(world.dir, { "states/a.yaml": new Uint8Array([0xff]), "states/b.yaml": "x".repeat(4 * 1024 * 1024 + 1) });
    expect(faultsOf(readFleetSources(world.files, dir))).toEqual(["states/a.yaml: is not UTF-8", "states/b.yaml: has 4194305 bytes, at most 4194304 are read"]);
    expect(faultsOf(listFleet(world.files, `${world.dir}/none`))).toEqual([`${world.dir}/none: there is no such directory`]);
  });

  test("has a bound on how many files it holds", () => {
    using world = testWorld();
    const many = {
      ...world.files,
      list: (op: string, path: string) => (path.endsWith("/files") ? Array.from({ length: FILES_MAX + 5 }, (_, at) => `f${at}`) : world.files.list(op, path)),
      stat: (op: string, path: string) => (/\/f\d+$/.test(path) ? world.files.stat(op, `${world.dir}/f/files/a`) : world.files.stat(op, path)),
    };
    expect(faultsOf(listFleet(many, fleetIn(world.dir, { "files/a": "" })))).toEqual(["files: the fleet has more than 20000 files"]);
  });

  test.each([
    ["states/a.yaml", true],
    ["states/a.ts", true],
    ["settings/a.yaml", true],
    ["files/a.liquid", true],
    ["files/a", false],
    ["fleet.yaml", true],
    ["other.yaml", false],
    ["states/a.yaml/x", false],
    ["settings/a.ts", false],
  ])("%s is read for rendering: %p", (path, expected) => {
    expect(isRenderSource(path)).toBe(expected);
  });
});
