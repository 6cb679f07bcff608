import { Database as Sqlite } from "bun:sqlite";
import { expect, test } from "bun:test";
import { isFault } from "../../../shared/core/fault.ts";
import { sha256Hex } from "../../../shared/core/sha256.ts";
import { testWorld } from "../../../shared/sim/test-world.ts";
import { storeAckedSeq } from "./host-acks.ts";
import { findSender, hostsAfter, putHost } from "./hosts.ts";
import { MIGRATIONS, openStore } from "./open.ts";

const CHILD = new URL("./testdata/migrate-and-die.ts", import.meta.url).pathname;

/** What a crash left, seen by plain SQLite: which migrations are recorded, and every table and index with its text. */
function look(path: string): { readonly versions: number; readonly schema: string; readonly check: string } {
  const sqlite = new Sqlite(path);
  try {
    const schema = JSON.stringify(sqlite.query("SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY type, name").all());
    const recorded = schema.includes('"schema_version"') ? sqlite.query<{ n: number }, []>("SELECT count(*) AS n FROM schema_version").get()?.n : 0;
    return { versions: recorded ?? 0, schema, check: Object.values(sqlite.query<Record<string, string>, []>("PRAGMA quick_check").get() ?? {})[0] ?? "" };
  } finally {
    sqlite.close();
  }
}

async function migrateAndDie(path: string, killAt: number): Promise<{ readonly signal: unknown; readonly statements: number }> {
  const child = Bun.spawn([process.execPath, CHILD, path, String(killAt)], { stdout: "pipe", stderr: "inherit", env: {} });
  const text = await new Response(child.stdout).text();
  await child.exited;
  return { signal: child.signalCode, statements: Number(text) };
}

test("H09: a migration killed -9 before each statement leaves the old schema or the new, and the next start ends it", async () => {
  using world = testWorld();
  const whole = Array.from({ length: MIGRATIONS.length + 1 }, (_, upto) => {
    const path = `${world.dir}/whole-${upto}.db`;
    world.databases.open("test", path, { migrations: MIGRATIONS.slice(0, upto) }).close();
    return look(path);
  });
  const { statements } = await migrateAndDie(`${world.dir}/free.db`, 0);
  expect(statements).toBeGreaterThan(30);
  const left = new Set<number>();
  for (let killAt = 1; killAt <= statements; killAt += 1) {
    const path = `${world.dir}/kill-${killAt}.db`;
    expect([killAt, (await migrateAndDie(path, killAt)).signal]).toEqual([killAt, "SIGKILL"]);
    const found = look(path);
    expect([killAt, found]).toEqual([killAt, whole[found.versions] ?? { versions: -1, schema: "", check: "" }]);
    left.add(found.versions);
    world.databases.open("test", path, { migrations: MIGRATIONS }).close();
    expect([killAt, look(path)]).toEqual([killAt, whole[MIGRATIONS.length] ?? { versions: -1, schema: "", check: "" }]);
  }
  // Every version was left by some kill: the test has cut between migrations, not only inside one.
  expect([...left].toSorted((a, b) => a - b)).toEqual(whole.map((_, version) => version));
}, 240_000);

test("H10: a hub that meets a newer schema refuses, and not a byte of the database changes", async () => {
  using world = testWorld();
  const path = `${world.dir}/hub.db`;
  world.databases
    .open("test", path, {
      migrations: [...MIGRATIONS, { version: MIGRATIONS.length + 1, name: "later", statements: ["CREATE TABLE later (x INTEGER) STRICT"] }],
    })
    .close();
  const before = sha256Hex(new Uint8Array(await Bun.file(path).arrayBuffer()));
  let code = "opened";
  try {
    openStore(world, world.dir);
  } catch (error) {
    code = isFault(error) ? error.code : String(error);
  }
  expect(code).toBe("db_newer");
  expect(sha256Hex(new Uint8Array(await Bun.file(path).arrayBuffer()))).toBe(before);
});

test("how far outboxes are durable comes along into its own table", () => {
  using world = testWorld();
  const path = `${world.dir}/hub.db`;
  const before = world.databases.open("test", path, { migrations: MIGRATIONS.slice(0, 4) });
  const host = { name: "web", labels: "{}", signing_key: "k", box_key: "b", cert_serial: 1, host_cert: null, grant_envelope: null, admission: null };
  for (const [host_id, acked] of [
    ["h-a", 7],
    ["h-b", 0],
  ] as const) {
    putHost(before, { ...host, host_id, created_at: 1, spec_generation: 1, spec: "{}" });
    before.run("test", "UPDATE hosts SET acked_seq = ? WHERE host_id = ?", acked, host_id);
  }
  before.close();
  const after = world.databases.open("test", path, { migrations: MIGRATIONS });
  const acked = () => hostsAfter(after, "", 10).map(({ host_id, acked_seq }) => [host_id, acked_seq, findSender(after, host_id)?.acked_seq]);
  expect(acked()).toEqual([
    ["h-a", 7, 7],
    ["h-b", 0, 0],
  ]);
  for (const host_id of ["h-a", "h-b"]) storeAckedSeq(after, host_id, 9);
  expect(acked()).toEqual([
    ["h-a", 9, 9],
    ["h-b", 9, 9],
  ]);
  after.close();
});
