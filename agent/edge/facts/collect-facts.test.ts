import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, chownSync, mkdirSync, writeFileSync } from "node:fs";
import { testWorld, type TestWorld } from "../../../shared/sim/test-world.ts";
import { collectFacts, COLLECTORS } from "./collect-facts.ts";
import { collectMetrics } from "./collect-metrics.ts";

let world: TestWorld;
let dir: string;
beforeEach(() => {
  world = testWorld();
  dir = `${world.dir}/facts.d`;
  mkdirSync(dir, { mode: 0o755 });
});
afterEach(() => world.remove());

describe("facts of this very machine", () => {
  test("every section is there and none failed", async () => {
    const facts = await collectFacts(world, { factsDirs: [] });
    expect(Object.keys(facts)).toEqual([...COLLECTORS.map(({ name }) => name), "custom", "errors"]);
    expect(facts["errors"]).toEqual({});
    expect(facts).toMatchObject({ kernel: { name: "Linux" }, guests: { list: [] } });
  });

  test("hold nothing that changes by itself: two looks agree", async () => {
    expect(await collectFacts(world, { factsDirs: [] })).toEqual(await collectFacts(world, { factsDirs: [] }));
  });

  test("metrics are apart", () => {
    const metrics = collectMetrics(world);
    expect(metrics["load1"]).toBeGreaterThanOrEqual(0);
    expect(metrics["memory_available_bytes"]).toBeGreaterThan(0);
  });
});

test("a collector that fails leaves its error where its section would be, and the rest as it is", async () => {
  const broken = {
    name: "cpu",
    collect: () => {
      throw new Error("no /proc here");
    },
  };
  const facts = await collectFacts(world, { factsDirs: [], collectors: [broken, ...COLLECTORS.filter(({ name }) => name !== "cpu")] });
  expect(facts["cpu"]).toEqual({ error: "no /proc here" });
  expect(facts["errors"]).toEqual({ cpu: "no /proc here" });
  expect(facts["os"]).toMatchObject({ family: expect.any(String) });
  expect(world.logged.map(({ event }) => event)).toContain("facts.failed");
});

describe("custom facts", () => {
  const custom = async (): Promise<unknown> => (await collectFacts(world, { factsDirs: [dir], collectors: [] }))["custom"];
  const script = (name: string, body: string): void => {
    writeFileSync(`${dir}/${name}`, `#!/bin/sh\n${body}\n`);
    chmodSync(`${dir}/${name}`, 0o755);
  };

  test("come from JSON files and from programs", async () => {
    writeFileSync(`${dir}/rack.json`, '{"row": 3}', { mode: 0o644 });
    script("till.sh", `echo '"shop"'`);
    expect(await custom()).toEqual({ rack: { row: 3 }, till: "shop" });
  });

  test("each failure is visible and takes nothing else along", async () => {
    writeFileSync(`${dir}/good.json`, "1", { mode: 0o644 });
    writeFileSync(`${dir}/bad.json`, "{", { mode: 0o644 });
    writeFileSync(`${dir}/open.json`, "1");
    chmodSync(`${dir}/open.json`, 0o666);
    script("fails", "exit 3");
    script("talks", "head -c 100000 /dev/zero");
    script("no name", "echo 1");
    expect(await custom()).toEqual({
      good: 1,
      errors: {
        bad: expect.stringContaining("JSON"),
        open: expect.stringContaining("can be written by others"),
        fails: expect.stringContaining("ended with 3"),
        talks: expect.stringContaining("wrote more than 65536 bytes"),
        no_name: "this file name cannot be the name of a fact",
      },
    });
  });

  test.skipIf(process.getuid?.() !== 0)("a file that somebody else owns is not run (needs root)", async () => {
    script("evil", `touch ${world.dir}/ran; echo 1`);
    chownSync(`${dir}/evil`, 65_534, 65_534);
    expect(await custom()).toEqual({ errors: { evil: expect.stringContaining("belongs to user 65534") } });
    expect(world.files.stat("test", `${world.dir}/ran`)).toBeUndefined();
  });

  test("a directory that is not there is no facts", async () => {
    expect((await collectFacts(world, { factsDirs: [`${dir}/none`], collectors: [] }))["custom"]).toEqual({});
  });
});
