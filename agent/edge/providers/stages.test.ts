import { afterEach, beforeEach, expect, test } from "bun:test";
import { readdirSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import type { Files } from "../../../shared/ports/files.ts";
import type { World } from "../../../shared/ports/world.ts";
import { testWorld, type TestWorld } from "../../../shared/sim/test-world.ts";
import { isStagedName, Stages, UNTOUCHED_MS } from "./stages.ts";

/** Whose stages are swept: only what nobody who lives is writing. */
let base: TestWorld;
let world: World;
let dir: string;

beforeEach(() => {
  base = testWorld();
  world = { ...base, self: { ...base.self, pid: process.pid, uid: process.getuid?.() ?? 0 } };
  dir = `${base.dir}/shared`;
  base.files.makeDir("test", dir, 0o755);
});
afterEach(() => base.remove());

const RANDOM = "0".repeat(24);
function partsOf(name: string): readonly [string, string, string] {
  const [, where = "", pid = "", start = ""] = /^\.felhom-staged-([0-9a-f]{8})-(\d+)-(\d+)-[0-9a-f]{24}$/.exec(name) ?? [];
  return [where, pid, start];
}
function put(name: string, untouchedMs = 0): string {
  writeFileSync(`${dir}/${name}`, "staged");
  const at = (Date.now() - untouchedMs) / 1_000;
  utimesSync(`${dir}/${name}`, at, at);
  return name;
}
function sweep(by: World = world, nowMs = Date.now()): readonly string[] {
  const handle = by.files.openDir("test", dir);
  try {
    new Stages(by).sweep("test", handle, nowMs);
  } finally {
    handle.close();
  }
  return readdirSync(dir).toSorted();
}

test("a name says who writes, and no two are the same", () => {
  const [one, two] = [new Stages(world).name(), new Stages(world).name()];
  const [where, pid, start] = partsOf(one);
  expect([where === "", Number(pid), Number(start) > 0]).toEqual([false, process.pid, true]);
  expect(one).not.toBe(two);
  expect([isStagedName(one), isStagedName(`${one}x`), isStagedName("motd")]).toEqual([true, false, false]);
});

test("here: kept while its process lives, however old it is; swept when it ended, also when its number was given away", () => {
  const [where, pid, start] = partsOf(new Stages(world).name());
  const mine = put(`.felhom-staged-${where}-${pid}-${start}-${RANDOM}`, 10 * UNTOUCHED_MS);
  put(`.felhom-staged-${where}-${pid}-${Number(start) - 1}-${RANDOM}`);
  const ended = Bun.spawnSync(["true"]).pid;
  put(`.felhom-staged-${where}-${ended}-${start}-${RANDOM}`);
  symlinkSync("/nowhere", `${dir}/.felhom-staged-${where}-${ended}-${start}-${"1".repeat(24)}`);
  expect(sweep()).toEqual([mine]);
});

test("elsewhere: kept until nobody touched it for an hour", () => {
  const other = `.felhom-staged-ffffffff-${process.pid}-1`;
  const fresh = put(`${other}-${RANDOM}`, UNTOUCHED_MS / 2);
  put(`${other}-${"1".repeat(24)}`, 2 * UNTOUCHED_MS);
  expect(sweep()).toEqual([fresh]);
  expect(sweep(world, Date.now() - 10 * UNTOUCHED_MS)).toEqual([fresh]);
});

test("where the kernel does not say who lives, age alone decides, of one's own too", () => {
  const files: Files = { ...base.files, readLink: (op, path) => base.files.readLink(op, path.replace("/proc/self/ns/pid", "/nonexistent")) };
  const blind: World = { ...world, files };
  const name = new Stages(blind).name();
  expect(partsOf(name)).toEqual(["00000000", "0", "0"]);
  put(name);
  expect(sweep(blind)).toEqual([name]);
  expect(sweep(blind, Date.now() + 2 * UNTOUCHED_MS)).toEqual([]);
});

test("what only looks like one, is a directory, or is another user's is left", () => {
  const [where] = partsOf(new Stages(world).name());
  put(".felhom-staged-motd");
  base.files.makeDir("test", `${dir}/.felhom-staged-${where}-999999999-1-${RANDOM}`, 0o700);
  const theirs: World = { ...world, self: { ...world.self, uid: 12_345 } };
  put(`.felhom-staged-${where}-999999999-1-${"1".repeat(24)}`);
  expect(sweep(theirs)).toHaveLength(3);
  expect(sweep()).toEqual([`.felhom-staged-${where}-999999999-1-${RANDOM}`, ".felhom-staged-motd"].toSorted());
});

test("once per directory and run", () => {
  const stages = new Stages(world);
  const handle = world.files.openDir("test", dir);
  stages.sweep("test", handle, Date.now());
  const [where] = partsOf(stages.name());
  const later = put(`.felhom-staged-${where}-999999999-1-${RANDOM}`);
  stages.sweep("test", handle, Date.now());
  handle.close();
  expect(readdirSync(dir)).toEqual([later]);
});
