import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { durableWrite, removeStaleTemps } from "../edge/durable-write.ts";
import { Fault } from "../core/fault.ts";
import type { Files } from "../ports/files.ts";
import { testWorld } from "./test-world.ts";

const BYTES_MAX = 1_000;

test("the directory goes away with the world", () => {
  const { dir } = (() => {
    using world = testWorld();
    expect(existsSync(world.dir)).toBe(true);
    return world;
  })();
  expect(existsSync(dir)).toBe(false);
});

test("time moves by hand and wakes sleepers in order", async () => {
  using world = testWorld();
  const woken: string[] = [];
  const stop = new AbortController();
  void world.clock.sleep(20, stop.signal).then(() => woken.push("late"));
  void world.clock.sleep(10, stop.signal).then(async () => {
    woken.push("early");
    await world.clock.sleep(5, stop.signal);
    woken.push("between");
  });
  const startMs = world.clock.wallMs();
  await world.clock.advance(30);
  expect(woken).toEqual(["early", "between", "late"]);
  expect(world.clock.wallMs() - startMs).toBe(30);
});

test("a stopped sleeper wakes at once", async () => {
  using world = testWorld();
  const stop = new AbortController();
  const slept = world.clock.sleep(1_000_000, stop.signal);
  stop.abort();
  await slept;
  expect(world.clock.scheduler.waiting).toBe(0);
});

test("the same seed gives the same randomness, another seed another", () => {
  const draw = (seed: string): readonly unknown[] => {
    using world = testWorld({ seed });
    return [world.rng.next(), world.rng.fork("a").int(1000), world.crypto.randomBytes(4).join()];
  };
  expect(draw("one")).toEqual(draw("one"));
  expect(draw("one")).not.toEqual(draw("two"));
});

test("durableWrite replaces a file whole, with its mode, and leaves no temp", () => {
  using world = testWorld();
  const path = `${world.dir}/file`;
  durableWrite(world.files, world.crypto, "test.write", path, new Uint8Array([1]), { mode: 0o600 });
  durableWrite(world.files, world.crypto, "test.write", path, new Uint8Array([2, 3]), { mode: 0o640 });
  expect(world.files.read("test", path, { bytesMax: BYTES_MAX })).toEqual(new Uint8Array([2, 3]));
  expect(world.files.stat("test", path)?.mode).toBe(0o640);
  expect(world.files.list("test", world.dir)).toEqual(["file"]);
});

test("durableWrite that fails keeps the old file and removes its temp", () => {
  using world = testWorld();
  const path = `${world.dir}/file`;
  durableWrite(world.files, world.crypto, "test.write", path, new Uint8Array([1]), { mode: 0o600 });
  const failing: Files = {
    ...world.files,
    rename: () => {
      throw new Fault("disk_failed", "Cannot rename: planted");
    },
  };
  expect(() => durableWrite(failing, world.crypto, "test.write", path, new Uint8Array([2]), { mode: 0o600 })).toThrow("planted");
  expect(world.files.read("test", path, { bytesMax: BYTES_MAX })).toEqual(new Uint8Array([1]));
  expect(world.files.list("test", world.dir)).toEqual(["file"]);
});

test("removeStaleTemps finds what a crash left", () => {
  using world = testWorld();
  const left: Files = {
    ...world.files,
    remove: () => false,
    rename: () => {
      throw new Fault("disk_failed", "Cannot rename: planted");
    },
  };
  expect(() => durableWrite(left, world.crypto, "test.write", `${world.dir}/file`, new Uint8Array([2]), { mode: 0o600 })).toThrow("planted");
  expect(world.files.list("test", world.dir)).toHaveLength(1);
  expect(removeStaleTemps(world.files, "test.sweep", world.dir)).toBe(1);
  expect(world.files.list("test", world.dir)).toEqual([]);
});

test("a database keeps what was committed and forgets what was rolled back", () => {
  using world = testWorld();
  const path = `${world.dir}/test.db`;
  const migrations = [{ version: 1, name: "first", statements: ["CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT) STRICT"] }];
  const first = world.databases.open("test.open", path, { migrations });
  first.transaction("test.add", () => first.run("test.add", "INSERT INTO things (name) VALUES (?)", "kept"));
  expect(() =>
    first.transaction("test.add", () => {
      first.run("test.add", "INSERT INTO things (name) VALUES (?)", "lost");
      throw new Error("planted");
    }),
  ).toThrow("planted");
  first.close();
  const again = world.databases.open("test.open", path, { migrations });
  expect(again.all<{ name: string }>("test.read", "SELECT name FROM things")).toEqual([{ name: "kept" }]);
  expect(again.check("test.check")).toBe("ok");
  again.close();
});
