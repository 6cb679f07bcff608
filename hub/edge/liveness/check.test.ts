import { expect, test } from "bun:test";
import { TestBox } from "../../../shared/sim/test-box.ts";
import { type TestHub, testHub } from "../../../shared/sim/test-hub.ts";
import { LivenessCheck } from "./check.ts";

const contacts = (hub: TestHub): Promise<readonly string[]> =>
  hub.hub.store.read((db) =>
    db
      .all<{ kind: string; host_name: string }>(
        "test",
        "SELECT kind, host_name FROM events WHERE kind IN ('host.stale', 'host.down', 'host.recovered') ORDER BY seq",
      )
      .map((row) => `${row.host_name} ${row.kind.slice(5)}`),
  );

/** Time passes with a check every 15 seconds, as the service makes them. */
async function pass(hub: TestHub, check: LivenessCheck, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 15_000) {
    await hub.world.clock.advance(15_000);
    await check.run();
  }
}

test("a silent host is stale after three minutes, down after ten, and back with its next sync; once each", async () => {
  using hub = await testHub();
  const [silent, alive] = [await new TestBox(hub, "silent").enroll(), await new TestBox(hub, "alive").enroll()];
  const check = new LivenessCheck(hub.hub);
  await silent.sync();
  for (let minute = 0; minute < 12; minute += 1) {
    await alive.sync();
    await pass(hub, check, 60_000);
    if (minute === 1) expect(await contacts(hub)).toEqual([]);
    if (minute === 3) expect(await contacts(hub)).toEqual(["silent stale"]);
  }
  expect(await contacts(hub)).toEqual(["silent stale", "silent down"]);
  expect(hub.hub.hosts.counts()).toMatchObject({ up: 1, stale: 0, down: 1 });
  await silent.sync();
  await hub.hub.store.write("test", () => {});
  expect(await contacts(hub)).toEqual(["silent stale", "silent down", "silent recovered"]);
  expect(hub.hub.hosts.counts()).toMatchObject({ up: 2, down: 0 });
});

test("a host that never synced is never lost", async () => {
  using hub = await testHub();
  await new TestBox(hub, "web-1").enroll();
  const check = new LivenessCheck(hub.hub);
  await pass(hub, check, 3_600_000);
  expect(await contacts(hub)).toEqual([]);
  expect(hub.hub.hosts.counts()).toMatchObject({ never: 1 });
});

test("after a restart nobody is stale before the hub itself has been up for that long", async () => {
  using hub = await testHub();
  const box = await new TestBox(hub, "web-1").enroll();
  await box.sync();
  await hub.agents.lastSeen.flush();
  // A day goes by with the hub off.
  await hub.world.clock.advance(24 * 3_600_000);
  await hub.restart();
  const check = new LivenessCheck(hub.hub);
  await pass(hub, check, 165_000);
  expect(await contacts(hub)).toEqual([]);
  await pass(hub, check, 30_000);
  expect(await contacts(hub)).toEqual(["web-1 stale"]);
});

test("H07: a hub that stood still for an hour gives everybody the full time again", async () => {
  using hub = await testHub();
  const box = await new TestBox(hub, "web-1").enroll();
  const check = new LivenessCheck(hub.hub);
  await box.sync();
  await pass(hub, check, 60_000);
  await hub.world.clock.advance(3_600_000);
  await check.run();
  expect(await contacts(hub)).toEqual([]);
  await pass(hub, check, 165_000);
  expect(await contacts(hub)).toEqual([]);
  await pass(hub, check, 30_000);
  expect(await contacts(hub)).toEqual(["web-1 stale"]);
});

test("A08, H11: a wall clock that jumps a year either way makes nobody stale", async () => {
  using hub = await testHub();
  const box = await new TestBox(hub, "web-1").enroll();
  const check = new LivenessCheck(hub.hub);
  await box.sync();
  hub.world.clock.jumpWall(365 * 86_400_000);
  await pass(hub, check, 120_000);
  hub.world.clock.jumpWall(-730 * 86_400_000);
  await box.sync();
  await pass(hub, check, 120_000);
  expect(await contacts(hub)).toEqual([]);
});

test("a revoked host is not watched", async () => {
  using hub = await testHub();
  const box = await new TestBox(hub, "web-1").enroll();
  const check = new LivenessCheck(hub.hub);
  await box.sync();
  const token = await hub.logIn();
  await hub.ask("POST", `/api/v1/hosts/${box.keys.hostId}/revoke`, { token, body: {} });
  await pass(hub, check, 3_600_000);
  expect(await contacts(hub)).toEqual([]);
});

test("last contact survives a restart, with what the box held", async () => {
  using hub = await testHub();
  const box = await new TestBox(hub, "web-1").enroll();
  await box.sync();
  const seen = hub.hub.hosts.get(box.keys.hostId)?.seenWallMs;
  await hub.agents.lastSeen.flush();
  await hub.world.clock.advance(60_000);
  await hub.restart();
  expect(hub.hub.hosts.get(box.keys.hostId)).toMatchObject({
    contact: "up",
    haveRoot: 1,
    haveCert: 1,
    bootId: "boot-1",
    address: "192.0.2.7",
    seenWallMs: seen,
  });
});

test("a check touches the silent ones and nobody else", async () => {
  using hub = await testHub();
  const boxes = await Promise.all(Array.from({ length: 20 }, (_, n) => new TestBox(hub, `box-${n}`).enroll()));
  for (const box of boxes) await box.sync();
  const check = new LivenessCheck(hub.hub);
  await pass(hub, check, 150_000);
  for (const box of boxes.slice(1)) await box.sync();
  await pass(hub, check, 30_000);
  let looked = 0;
  for (let entry = hub.hub.hosts.up.first; entry !== undefined; entry = entry.heardAfter) looked += 1;
  expect([looked, hub.hub.hosts.stale.size, await contacts(hub)]).toEqual([19, 1, ["box-0 stale"]]);
});
