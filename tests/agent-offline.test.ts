/** A box whose hub is away, and a box whose copies are damaged or old: it goes on enforcing what was signed, and says what it found. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { copyFileSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type BoxAtHub, boxAtHub } from "../shared/sim/box-at-hub.ts";
import type { TestAgent } from "../shared/sim/test-agent.ts";
import type { TestHub } from "../shared/sim/test-hub.ts";

let at: BoxAtHub;
let hub: TestHub;
let box: TestAgent;
let admin: string;

beforeEach(async () => {
  at = await boxAtHub();
  ({ hub, box, admin } = at);
});
afterEach(() => hub[Symbol.dispose]());

describe("an agent on its own", () => {
  test("without a hub it mends drift, is ready, and tells everything when the hub is back", async () => {
    await at.enrolled();
    box.start();
    await at.publish(1, at.fleet("hello\n"));
    await box.until((status) => status.converge.last?.bundle === 1 && status.outbox.rows === 0);
    box.online = false;
    await box.until(({ link }) => link.is === "offline");
    writeFileSync(`${hub.world.dir}/motd`, "by hand\n");
    await box.until(({ outbox }) => outbox.rows > 0, 20 * 60_000);
    expect(at.motd()).toBe("hello\n");
    expect((await box.ask("GET", "/readyz")).status).toBe(200);
    box.online = true;
    await box.until(({ link, outbox }) => link.is === "connected" && outbox.rows === 0, 10 * 60_000);
    expect(await at.hostReport()).toMatchObject({ trigger: "interval", counts: { changed: 1 } });
    await box.stop();
  });

  test("it starts and enforces with no hub at all", async () => {
    await at.enrolled();
    box.start();
    await at.publish(1, at.fleet("hello\n"));
    await box.until((status) => status.converge.last?.bundle === 1);
    await box.stop();
    box.online = false;
    rmSync(`${hub.world.dir}/motd`);
    box.start();
    expect((await box.until((status) => status.converge.last?.trigger === "boot")).desired.source).toBe("database");
    expect(at.motd()).toBe("hello\n");
    await box.stop();
  });

  test("with a damaged database it enforces from the snapshot, says so, keeps the damaged file, and is whole again after", async () => {
    await at.enrolled();
    box.start();
    await at.publish(1, at.fleet("hello\n"));
    await box.until((status) => status.converge.last?.bundle === 1 && status.outbox.rows === 0);
    await box.stop();
    writeFileSync(`${box.dataDir}/agent.db`, "not a database at all, and long enough to be looked at as one ".repeat(40));
    rmSync(`${hub.world.dir}/motd`);
    box.start();
    const status = await box.until(({ converge, outbox }) => converge.last?.trigger === "boot" && outbox.rows === 0);
    expect(at.motd()).toBe("hello\n");
    expect(status.converge.last).toMatchObject({ source: "snapshot", bundle: 1, degraded: "desired state comes from the snapshot" });
    expect(status.checks.find(({ name }) => name === "store")).toMatchObject({ is: "degraded" });
    expect(readdirSync(box.dataDir).some((name) => name.startsWith("agent.db.damaged-"))).toBe(true);
    expect(await at.hostReport()).toMatchObject({ source: "snapshot", bundle: 1 });
    await box.ask("POST", "/converge");
    await box.until(({ converge, outbox }) => converge.last?.trigger === "demand" && outbox.rows === 0);
    expect(await at.hostReport()).toMatchObject({ source: "database", bundle: 1 });
    await box.stop();
  });

  test("with a damaged snapshot it enforces from the database, says so, and writes the snapshot anew", async () => {
    await at.enrolled();
    box.start();
    await at.publish(1, at.fleet("hello\n"));
    await box.until((status) => status.converge.last?.bundle === 1);
    await box.stop();
    const snapshot = readFileSync(`${box.dataDir}/snapshot.msgpack`);
    snapshot[100] = (snapshot[100] ?? 0) ^ 1;
    writeFileSync(`${box.dataDir}/snapshot.msgpack`, snapshot);
    box.start();
    await box.until((status) => status.converge.last?.trigger === "boot");
    expect((await box.status()).desired.source).toBe("database");
    expect(box.logged.filter(({ event }) => event === "desired.damaged").map((line) => String(line.facts?.["note"]))[0]).toContain(
      "snapshot.msgpack is damaged",
    );
    await box.ask("POST", "/converge");
    expect((await box.until((status) => status.converge.last?.trigger === "demand")).desired.notes).toEqual([]);
    await box.stop();
  });

  test("with both damaged it keeps running, says so, and asks the hub anew", async () => {
    await at.enrolled();
    box.start();
    await at.publish(1, at.fleet("hello\n"));
    await box.until((status) => status.converge.last?.bundle === 1);
    await box.stop();
    for (const name of ["agent.db", "snapshot.msgpack"]) writeFileSync(`${box.dataDir}/${name}`, "x".repeat(8_192));
    box.online = false;
    box.start();
    const lost = await box.until((status) => status.converge.last !== undefined);
    expect(lost.desired).toMatchObject({ source: "none", bundle: 0, root: 0 });
    expect(lost.converge.last?.degraded).toContain("lost");
    box.online = true;
    await box.until((status) => status.converge.last?.bundle === 1 && status.outbox.rows === 0, 20 * 60_000);
    expect((await box.status()).desired).toMatchObject({ root: 1, cert: 1, bundle: 1, generation: 1 });
    await box.stop();
  });

  test("a data directory put back to an older copy is seen by the hub, and loses no report", async () => {
    await at.enrolled();
    box.start();
    await at.publish(1, at.fleet("hello\n"));
    await box.until((status) => status.converge.last?.bundle === 1 && status.outbox.rows === 0);
    await box.stop();
    copyFileSync(`${box.dataDir}/agent.db`, `${hub.world.dir}/old.db`);
    for (const run of [1, 2]) {
      box.start();
      await box.until((status) => status.converge.last?.trigger === "boot" && status.run > run && status.outbox.rows === 0);
      await box.stop();
    }
    copyFileSync(`${hub.world.dir}/old.db`, `${box.dataDir}/agent.db`);
    for (const suffix of ["-wal", "-shm"]) rmSync(`${box.dataDir}/agent.db${suffix}`, { force: true });
    writeFileSync(`${hub.world.dir}/motd`, "by hand\n");
    box.start();
    await box.until((status) => status.converge.last?.counts.changed === 1 && status.outbox.rows === 0);
    expect(await at.hostReport()).toMatchObject({ counts: { changed: 1 } });
    const { items } = (await hub.ask("GET", "/api/v1/events?kind=host.rolled-back", { token: admin })).json;
    expect(items).toHaveLength(1);
    await box.stop();
  });

  test("an older copy of the database does not bring an older bundle back: the snapshot knows better", async () => {
    await at.enrolled();
    box.start();
    await at.publish(1, at.fleet("one\n"));
    await box.until((status) => status.converge.last?.bundle === 1 && status.outbox.rows === 0);
    await box.stop();
    copyFileSync(`${box.dataDir}/agent.db`, `${hub.world.dir}/old.db`);
    box.start();
    await at.publish(2, at.fleet("two\n"));
    await box.until((status) => status.converge.last?.bundle === 2);
    await box.stop();
    copyFileSync(`${hub.world.dir}/old.db`, `${box.dataDir}/agent.db`);
    for (const suffix of ["-wal", "-shm"]) rmSync(`${box.dataDir}/agent.db${suffix}`, { force: true });
    box.online = false;
    rmSync(`${hub.world.dir}/motd`);
    box.start();
    const status = await box.until((now) => now.converge.last?.trigger === "boot");
    expect(status.converge.last).toMatchObject({ bundle: 2, source: "snapshot" });
    expect(at.motd()).toBe("two\n");
    await box.stop();
  });

  test("a tree that was altered on disk is not enforced; its files are fetched again", async () => {
    await at.enrolled();
    box.start();
    await at.publish(1, at.fleet("hello\n"));
    await box.until((status) => status.converge.last?.bundle === 1);
    await box.stop();
    writeFileSync(`${box.dataDir}/bundle/1/states/base.yaml`, `/tmp/felhom-must-not-be:\n  file:\n    content: evil\n`);
    box.start();
    const isRefusal = ({ event, facts }: TestAgent["logged"][number]): boolean =>
      event === "converge.finished" && String(facts?.["degraded"]).includes("blob_mismatch: states/base.yaml");
    await box.until(() => box.logged.some(isRefusal));
    expect(box.logged.find(isRefusal)?.facts).toMatchObject({ trigger: "boot", bundle: 0 });
    expect(existsSync("/tmp/felhom-must-not-be")).toBe(false);
    await box.until((status) => status.converge.last?.refused === undefined && status.converge.last?.bundle === 1);
    await box.stop();
  });
});
