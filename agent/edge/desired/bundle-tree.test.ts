import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { utf8 } from "../../../shared/core/bytes.ts";
import { Fault } from "../../../shared/core/fault.ts";
import { sha256Hex } from "../../../shared/core/sha256.ts";
import { testFleet, valueOf } from "../../../shared/sim/test-fleet.ts";
import { testWorld, type TestWorld } from "../../../shared/sim/test-world.ts";
import { verifyHeldBundle } from "../../../shared/trust/bundle.ts";
import type { BundlePayload } from "../../../shared/trust/payloads.ts";
import { paths } from "../../core/desired/paths.ts";
import { prepareDataDir } from "../store/data-dir.ts";
import { inspectTree, knownContents, pruneBundles, stageBundle } from "./bundle-tree.ts";

const fleet = testFleet();
let world: TestWorld;
beforeEach(() => {
  world = testWorld();
  prepareDataDir(world.files, world.self, world.dir);
});
afterEach(() => world.remove());

const bundle = (version: number, files: Readonly<Record<string, string>>): BundlePayload =>
  valueOf(verifyHeldBundle({ envelope: fleet.bundle(version, files), root: fleet.root }));
const fetched = (text: string, bytes = text): void => {
  const sha256 = sha256Hex(utf8(text));
  mkdirSync(paths(world.dir).blobDir(sha256), { recursive: true });
  writeFileSync(paths(world.dir).blob(sha256), bytes);
};
const tree = (version: number): string => paths(world.dir).bundle(version);
const stage = (next: BundlePayload, inForce?: BundlePayload) => stageBundle(world, world.dir, next, inForce);

describe("staging a bundle", () => {
  test("builds the whole tree and points current at it", () => {
    for (const text of ["a\n", "b\n"]) fetched(text);
    expect(stage(bundle(1, { "x/y/a": "a\n", b: "b\n", "x/again": "a\n" }))).toEqual({ ok: true });
    expect([readFileSync(`${tree(1)}/x/y/a`, "utf8"), readFileSync(`${tree(1)}/x/again`, "utf8"), readlinkSync(paths(world.dir).current)]).toEqual([
      "a\n",
      "a\n",
      "1",
    ]);
    expect(statSync(`${tree(1)}/x`).mode & 0o777).toBe(0o700);
    expect(existsSync(paths(world.dir).staging)).toBe(false);
  });

  test("takes from the tree in force what it already has", () => {
    for (const text of ["a\n", "b\n"]) fetched(text);
    const one = bundle(1, { a: "a\n", b: "b\n" });
    stage(one);
    pruneBundles(world, world.dir, { inForce: 1, count: 3, wanted: new Set() });
    fetched("c\n");
    expect(stage(bundle(2, { a: "a\n", c: "c\n" }), one)).toEqual({ ok: true });
    expect(readdirSync(tree(2)).sort()).toEqual(["a", "c"]);
  });

  test("bytes that were altered after they were fetched are refused, thrown away, and missing again", () => {
    fetched("good\n", "evil\n");
    const one = bundle(1, { a: "good\n", b: "good\n" });
    expect(stage(one)).toEqual({ ok: false, refusal: "blob_mismatch", detail: "a" });
    expect(knownContents(world, world.dir, undefined).size).toBe(0);
    expect(existsSync(paths(world.dir).current)).toBe(false);
  });

  test("what is missing is named, and what is in force stays", () => {
    fetched("a\n");
    stage(bundle(1, { a: "a\n" }));
    expect(stage(bundle(2, { a: "a\n", b: "b\n", c: "c\n" }))).toEqual({ ok: false, refusal: "blob_missing", detail: "b and 1 more" });
    expect(readlinkSync(paths(world.dir).current)).toBe("1");
  });

  test("a crash at any of its steps leaves the old tree or the new one in force, and the next try succeeds", () => {
    const one = bundle(1, { a: "a\n" });
    const two = bundle(2, { a: "b\n" });
    for (let step = 1; ; step += 1) {
      using broken = testWorld();
      prepareDataDir(broken.files, broken.self, broken.dir);
      for (const text of ["a\n", "b\n"]) {
        mkdirSync(paths(broken.dir).blobDir(sha256Hex(utf8(text))), { recursive: true });
        writeFileSync(paths(broken.dir).blob(sha256Hex(utf8(text))), text);
      }
      stageBundle(broken, broken.dir, one, undefined);
      let calls = 0;
      const dying =
        (name: "rename" | "symlink" | "makeDir" | "removeDir" | "remove") =>
        (...args: never[]) => {
          calls += 1;
          if (calls === step) throw new Fault("disk_failed", "the power is gone");
          return (broken.files[name] as (...given: never[]) => never)(...args);
        };
      const files = {
        ...broken.files,
        rename: dying("rename"),
        symlink: dying("symlink"),
        makeDir: dying("makeDir"),
        removeDir: dying("removeDir"),
        remove: dying("remove"),
      };
      let died = false;
      try {
        stageBundle({ ...broken, files }, broken.dir, two, one);
      } catch {
        died = true;
      }
      const current = readlinkSync(paths(broken.dir).current);
      expect(inspectTree(broken, `${paths(broken.dir).bundles}/${current}`, current === "1" ? one : two).ok).toBe(true);
      expect(stageBundle(broken, broken.dir, two, one)).toEqual({ ok: true });
      expect(readlinkSync(paths(broken.dir).current)).toBe("2");
      if (!died) {
        expect(step).toBeGreaterThan(4);
        break;
      }
    }
  });
});

describe("a tree on disk", () => {
  const changes: readonly [string, (dir: string) => void, string][] = [
    ["as it was built", () => {}, "ok"],
    ["with one byte changed", (dir) => writeFileSync(`${dir}/a`, "b\n"), "blob_mismatch"],
    ["with a file too many", (dir) => writeFileSync(`${dir}/z`, ""), "path_unsafe"],
    ["with a symlink", (dir) => symlinkSync("/etc/passwd", `${dir}/link`), "path_unsafe"],
  ];
  for (const [name, change, wanted] of changes) {
    test(`${name}: ${wanted}`, () => {
      fetched("a\n");
      const one = bundle(1, { a: "a\n" });
      stage(one);
      change(tree(1));
      const verdict = inspectTree(world, tree(1), one);
      expect(verdict.ok ? "ok" : verdict.refusal).toBe(wanted as never);
    });
  }
  test("that is gone: blob_missing", () => expect(inspectTree(world, tree(9), bundle(9, { a: "a\n" }))).toMatchObject({ refusal: "blob_missing" }));
});

test("pruning keeps the newest trees and the one in force, and no blob that nobody waits for", () => {
  fetched("a\n");
  for (const version of [1, 2, 3, 4, 5]) stage(bundle(version, { a: "a\n" }), version === 1 ? undefined : bundle(version - 1, { a: "a\n" }));
  const wanted = sha256Hex(utf8("later\n"));
  fetched("later\n");
  pruneBundles(world, world.dir, { inForce: 2, count: 3, wanted: new Set([wanted]) });
  expect(
    readdirSync(paths(world.dir).bundles)
      .filter((name) => /^\d+$/.test(name))
      .sort(),
  ).toEqual(["2", "4", "5"]);
  expect([...knownContents(world, world.dir, undefined).keys()]).toEqual([wanted]);
});
