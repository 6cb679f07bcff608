import { afterAll, expect, test } from "bun:test";
import { statSync, symlinkSync, writeFileSync } from "node:fs";
import { databasesContract } from "../sim/contracts/databases-contract.ts";
import { codeOf } from "../sim/contracts/files-contract.ts";
import { testWorld, type TestWorld } from "../sim/test-world.ts";
import { realDatabases } from "./databases.ts";

const worlds: TestWorld[] = [];
afterAll(() => worlds.forEach((world) => world.remove()));

databasesContract("real", () => {
  const world = testWorld();
  worlds.push(world);
  return world;
});

const MIGRATIONS = [{ version: 1, name: "things", statements: ["CREATE TABLE things (id INTEGER PRIMARY KEY) STRICT"] }];

test("the file and its companions are nobody else's", () => {
  using world = testWorld();
  const database = realDatabases.open("test", `${world.dir}/a.db`, { migrations: MIGRATIONS });
  database.run("test", "INSERT INTO things DEFAULT VALUES");
  database.copyTo("test", `${world.dir}/copy.db`);
  for (const name of ["a.db", "a.db-wal", "a.db-shm", "copy.db"]) expect([name, statSync(`${world.dir}/${name}`).mode & 0o777]).toEqual([name, 0o600]);
  database.close();
});

test("a file that is no database is db_damaged, and a symlink is not followed", () => {
  using world = testWorld();
  writeFileSync(`${world.dir}/junk.db`, "this is not a database, whatever it is called".repeat(100));
  expect(codeOf(() => realDatabases.open("test", `${world.dir}/junk.db`, { migrations: MIGRATIONS }))).toBe("db_damaged");
  symlinkSync(`${world.dir}/elsewhere`, `${world.dir}/link.db`);
  expect(codeOf(() => realDatabases.open("test", `${world.dir}/link.db`, { migrations: MIGRATIONS }))).toMatch(/file_/);
});

test("two writers wait for each other; one that waits too long is told db_busy", () => {
  using world = testWorld();
  const first = realDatabases.open("test", `${world.dir}/a.db`, { migrations: MIGRATIONS });
  const second = realDatabases.open("test", `${world.dir}/a.db`, { migrations: MIGRATIONS });
  second.get("test", "PRAGMA busy_timeout = 10");
  first.transaction("test", () => {
    expect(codeOf(() => second.transaction("test", () => 1))).toBe("db_busy");
  });
  expect(second.transaction("test", () => 1)).toBe(1);
  first.close();
  second.close();
});
