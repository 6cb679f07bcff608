import { expect, test } from "bun:test";
import { utf8 } from "../../../shared/core/bytes.ts";
import { isFault } from "../../../shared/core/fault.ts";
import { sha256Hex } from "../../../shared/core/sha256.ts";
import { realDatabases } from "../../../shared/edge/databases.ts";
import { realFiles } from "../../../shared/edge/files.ts";
import { admitted } from "../../../shared/sim/test-enrollment.ts";
import { type TestHub, testHub } from "../../../shared/sim/test-hub.ts";
import { testWorld, type TestWorld } from "../../../shared/sim/test-world.ts";
import { decodeManifest, encodeManifest } from "../../core/backup/manifest.ts";
import { HUB_DEFAULTS } from "../../settings.ts";
import { loadHub } from "../load-hub.ts";
import { listAudit } from "../store/audit.ts";
import { insertGrant } from "../store/grants.ts";
import { databasePath, MIGRATIONS, openStore } from "../store/open.ts";
import { Courier } from "../sync/courier.ts";
import { restoreBackup } from "./restore-backup.ts";
import { writeBackup } from "./write-backup.ts";

/** A hub with a fleet, a host, a bundle of two blobs, a token, a TLS key. */
async function furnished(hub: TestHub): Promise<{ readonly session: string; readonly token: string }> {
  const session = await hub.logIn();
  await admitted(hub, session, "web-1");
  const files = { "fleet.yaml": "name: test\n", "files/motd": "hello\n" };
  for (const text of Object.values(files)) await hub.ask("PUT", `/api/v1/blobs/${sha256Hex(utf8(text))}`, { token: session, bytes: utf8(text) });
  await hub.ask("POST", "/api/v1/bundles", { token: session, body: { envelope: hub.fleet.bundle(1, files) } });
  hub.world.files.makeDir("test", `${hub.world.dir}/tls`, 0o700);
  await Bun.write(`${hub.world.dir}/tls/key.pem`, "test key");
  await Bun.write(`${hub.world.dir}/tls/cert.pem`, "test certificate");
  for (const path of ["nats/keys.json", "nats/tls/cert.pem", "nats/tls/key.pem"]) await Bun.write(`${hub.world.dir}/${path}`, `test ${path}`);
  return { session, token: await hub.token("viewer") };
}

const codeOf = async (doing: Promise<unknown>): Promise<string> =>
  doing.then(
    () => "done",
    (error: unknown) => (isFault(error) ? error.code : String(error)),
  );

async function restoredHub(world: TestWorld, dataDir: string) {
  const store = openStore(world, dataDir);
  const hub = await loadHub(world, { ...HUB_DEFAULTS, dataDir }, store, new Courier(world.clock, () => new Response()));
  return { hub, store };
}

for (const form of ["directory", "backup.tar"]) {
  test(`a restored hub has everything, under a higher epoch, and nobody is logged in (${form})`, async () => {
    using hub = await testHub();
    const { token } = await furnished(hub);
    using out = testWorld();
    const to = `${out.dir}/${form}`;
    const manifest = await writeBackup(hub.world, { dataDir: hub.world.dir, to });
    expect(manifest).toMatchObject({ fleet_name: "test", root_version: 1, bundle: 1, hosts: 1, hub_epoch: 1 });
    expect(manifest.files.map(({ path }) => path.replace(/[0-9a-f]{64}$/, "…"))).toEqual([
      "hub.db",
      "tls/cert.pem",
      "tls/key.pem",
      "nats/keys.json",
      "nats/tls/cert.pem",
      "nats/tls/key.pem",
      ...manifest.files.slice(6).map(({ sha256 }) => `blobs/${sha256.slice(0, 2)}/…`),
    ]);
    expect((await hub.ask("GET", "/api/v1/status", { token })).json.item.database.last_backup_at).toBe(manifest.created_at);
    const dataDir = `${out.dir}/data`;
    const { epoch, tokens } = await restoreBackup(hub.world, { from: to, dataDir });
    expect([epoch, tokens]).toEqual([Math.floor(hub.world.clock.wallMs() / 1_000), 1]);
    const { hub: again, store } = await restoredHub(hub.world, dataDir);
    expect([again.fleet.epoch, again.fleet.bundleVersion, again.fleet.rootVersion, again.hosts.size]).toEqual([epoch, 1, 1, 1]);
    const seen = await store.read((db) => ({
      sessions: db.all("test", "SELECT * FROM sessions").length,
      audit: listAudit(db, { beforeSeq: 1e9, limit: 1 })[0]?.action,
      event: db.get("test", "SELECT kind FROM events ORDER BY seq DESC LIMIT 1"),
    }));
    expect(seen).toEqual({ sessions: 0, audit: "hub.restore", event: { kind: "hub.restored" } });
    const motd = sha256Hex(utf8("hello\n"));
    expect(await Bun.file(`${dataDir}/blobs/${motd.slice(0, 2)}/${motd}`).text()).toBe("hello\n");
    expect(await Bun.file(`${dataDir}/tls/key.pem`).text()).toBe("test key");
    expect(out.files.stat("test", `${dataDir}/tls/key.pem`)?.mode).toBe(0o600);
    expect(await Bun.file(`${dataDir}/nats/keys.json`).text()).toBe("test nats/keys.json");
    for (const path of ["nats/keys.json", "nats/tls/key.pem"]) expect(out.files.stat("test", `${dataDir}/${path}`)?.mode).toBe(0o600);
    expect(out.files.list("test", out.dir)).toEqual(["data", form].toSorted());
    await store.close();
  });
}

test("I3: a backup made while writes go on has every write that was answered before it began", async () => {
  using hub = await testHub();
  await hub.logIn();
  using out = testWorld();
  let answered = 0;
  let going = true;
  const write = async (lane: number): Promise<void> => {
    for (let n = 0; going; n += 1) {
      await hub.hub.store.write("test.write", (tx) =>
        insertGrant(tx.db, { grant_id: `g-${lane}-${n}`, token_key: `${lane}-${n}`, envelope: "{}", uses: 1, created_at: 0, expires_at: 1 }),
      );
      answered += 1;
    }
  };
  const lanes = [0, 1, 2, 3].map(write);
  const found: (readonly [number, number])[] = [];
  for (let round = 0; round < 3; round += 1) {
    const target = answered + 50;
    while (answered < target) await new Promise((resolve) => setImmediate(resolve));
    const before = answered;
    await writeBackup(hub.world, { dataDir: hub.world.dir, to: `${out.dir}/b${round}` });
    const copy = realDatabases.open("test", databasePath(`${out.dir}/b${round}`), { migrations: MIGRATIONS });
    found.push([before, copy.get<{ n: number }>("test", "SELECT count(*) AS n FROM grants")?.n ?? 0]);
    copy.close();
  }
  going = false;
  await Promise.all(lanes);
  for (const [before, inBackup] of found) expect(inBackup).toBeGreaterThanOrEqual(before);
});

test("two restores of one backup have two epochs, each above every one before", async () => {
  using hub = await testHub();
  await furnished(hub);
  using out = testWorld();
  await writeBackup(hub.world, { dataDir: hub.world.dir, to: `${out.dir}/b` });
  const first = await restoreBackup(hub.world, { from: `${out.dir}/b`, dataDir: `${out.dir}/one` });
  await hub.world.clock.advance(5_000);
  const second = await restoreBackup(hub.world, { from: `${out.dir}/b`, dataDir: `${out.dir}/two` });
  expect(second.epoch).toBeGreaterThan(first.epoch);
  hub.world.clock.jumpWall(-10 * 365 * 86_400_000);
  await writeBackup(hub.world, { dataDir: `${out.dir}/two`, to: `${out.dir}/c` });
  expect((await restoreBackup(hub.world, { from: `${out.dir}/c`, dataDir: `${out.dir}/three` })).epoch).toBe(second.epoch + 1);
});

test("F: any damage to any part of a backup is found, and the target stays as it was", async () => {
  using hub = await testHub();
  await furnished(hub);
  using out = testWorld();
  const good = `${out.dir}/good`;
  const { files: listed } = await writeBackup(hub.world, { dataDir: hub.world.dir, to: good });
  for (const path of ["manifest.json", ...listed.map((file) => file.path)]) {
    const bytes = new Uint8Array(await Bun.file(`${good}/${path}`).arrayBuffer());
    for (const at of [0, Math.floor(bytes.length / 2), bytes.length - 1]) {
      const flipped = bytes.slice();
      flipped[at] = (flipped[at] ?? 0) ^ 1;
      await Bun.write(`${good}/${path}`, flipped);
      expect([path, at, await codeOf(restoreBackup(hub.world, { from: good, dataDir: `${out.dir}/data` }))]).toEqual([path, at, "backup_damaged"]);
    }
    await Bun.write(`${good}/${path}`, bytes.slice(0, -1));
    expect([path, "cut", await codeOf(restoreBackup(hub.world, { from: good, dataDir: `${out.dir}/data` }))]).toEqual([path, "cut", "backup_damaged"]);
    realFiles.remove("test", `${good}/${path}`);
    expect([path, "gone", await codeOf(restoreBackup(hub.world, { from: good, dataDir: `${out.dir}/data` }))]).toEqual([path, "gone", "backup_damaged"]);
    await Bun.write(`${good}/${path}`, bytes);
  }
  expect(out.files.list("test", out.dir)).toEqual(["good"]);
  expect(await codeOf(restoreBackup(hub.world, { from: good, dataDir: `${out.dir}/data` }))).toBe("done");
});

test("an archive with a byte flipped anywhere in its headers, or cut short, is refused", async () => {
  using hub = await testHub();
  await furnished(hub);
  using out = testWorld();
  const path = `${out.dir}/b.tar`;
  await writeBackup(hub.world, { dataDir: hub.world.dir, to: path });
  const bytes = new Uint8Array(await Bun.file(path).arrayBuffer());
  expect(new TextDecoder().decode(bytes.subarray(257, 262))).toBe("ustar");
  for (const at of [0, 3, 100, 124, 130, 148, 156, 157, 257, 345, 600]) {
    const flipped = bytes.slice();
    flipped[at] = (flipped[at] ?? 0) ^ 1;
    await Bun.write(path, flipped);
    expect([at, await codeOf(restoreBackup(hub.world, { from: path, dataDir: `${out.dir}/data` }))]).toEqual([at, "backup_damaged"]);
  }
  for (const length of [0, 511, 512, 5_000, bytes.length - 1_100]) {
    await Bun.write(path, bytes.slice(0, length));
    expect([length, await codeOf(restoreBackup(hub.world, { from: path, dataDir: `${out.dir}/data` }))]).toEqual([length, "backup_damaged"]);
  }
  expect(out.files.list("test", out.dir)).toEqual(["b.tar"]);
});

test("attack 40: a name that leaves the directory, a link, or a stranger's file is not unpacked", async () => {
  using out = testWorld();
  for (const [name, type] of [
    ["../evil", "0"],
    ["/etc/evil", "0"],
    ["hub.db", "2"],
    ["hub.db", "5"],
    ["blobs/00/../../evil", "0"],
    ["tls/other.pem", "0"],
  ] as const) {
    const block = new Uint8Array(512);
    const put = (at: number, text: string) => block.set(utf8(text), at);
    put(0, name);
    put(124, "00000000000\0");
    put(148, " ".repeat(8));
    put(156, type);
    put(257, "ustar\0");
    put(
      148,
      `${block
        .reduce((sum, byte) => sum + byte, 0)
        .toString(8)
        .padStart(6, "0")}\0 `,
    );
    await Bun.write(`${out.dir}/b.tar`, new Uint8Array([...block, ...new Uint8Array(1_024)]));
    expect([name, type, await codeOf(restoreBackup(out, { from: `${out.dir}/b.tar`, dataDir: `${out.dir}/data` }))]).toEqual([name, type, "backup_damaged"]);
  }
  expect(out.files.list("test", out.dir)).toEqual(["b.tar"]);
});

test("a restore never touches a directory with something in it, and a backup never something that is there", async () => {
  using hub = await testHub();
  await furnished(hub);
  using out = testWorld();
  await writeBackup(hub.world, { dataDir: hub.world.dir, to: `${out.dir}/b` });
  const over: unknown = await writeBackup(hub.world, { dataDir: hub.world.dir, to: `${out.dir}/b` }).catch((error: unknown) => error);
  expect(over).toMatchObject({ code: "file_exists", remedy: expect.stringContaining("Name a path where nothing is yet") });
  expect(await codeOf(restoreBackup(hub.world, { from: `${out.dir}/b`, dataDir: hub.world.dir }))).toBe("conflict");
  out.files.makeDir("test", `${out.dir}/empty`, 0o755);
  expect(await codeOf(restoreBackup(hub.world, { from: `${out.dir}/b`, dataDir: `${out.dir}/empty` }))).toBe("done");
  out.files.makeDir("test", `${out.dir}/data.restoring`, 0o700);
  expect(await codeOf(restoreBackup(hub.world, { from: `${out.dir}/b`, dataDir: `${out.dir}/data` }))).toBe("conflict");
  expect(await codeOf(restoreBackup(hub.world, { from: `${out.dir}/nothing`, dataDir: `${out.dir}/x` }))).toBe("file_missing");
  expect(await codeOf(writeBackup(hub.world, { dataDir: `${out.dir}/nothing`, to: `${out.dir}/y` }))).toBe("file_missing");
});

test("H10: a backup of a newer schema or another format is refused", async () => {
  using hub = await testHub();
  await furnished(hub);
  using out = testWorld();
  const b = `${out.dir}/b`;
  const manifest = await writeBackup(hub.world, { dataDir: hub.world.dir, to: b });
  await Bun.write(`${b}/manifest.json`, encodeManifest({ ...manifest, schema: MIGRATIONS.length + 1 }));
  expect(await codeOf(restoreBackup(hub.world, { from: b, dataDir: `${out.dir}/data` }))).toBe("db_newer");
  await Bun.write(`${b}/manifest.json`, encodeManifest({ ...manifest, format: "felhom-hub-backup/2" as never }));
  expect(await codeOf(restoreBackup(hub.world, { from: b, dataDir: `${out.dir}/data` }))).toBe("db_newer");
  expect(decodeManifest(encodeManifest(manifest))).toEqual(manifest);
});

test("I7: no secret of a credential is in a backup", async () => {
  using hub = await testHub();
  const { session, token } = await furnished(hub);
  using out = testWorld();
  await writeBackup(hub.world, { dataDir: hub.world.dir, to: `${out.dir}/b.tar` });
  const bytes = Buffer.from(await Bun.file(`${out.dir}/b.tar`).arrayBuffer());
  for (const secret of [session, token, Buffer.from(hub.fleet.key.seed)]) expect(bytes.includes(secret)).toBe(false);
});
