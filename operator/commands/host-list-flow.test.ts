import { expect, test } from "bun:test";
import { testHub, type TestHub } from "../../shared/sim/test-hub.ts";
import { testWorkstation, type TestWorkstation } from "../../shared/sim/test-workstation.ts";
import { wireBox, type WireBox } from "../../shared/sim/wire-box.ts";

/** What `host list` and `status` say of a fleet where nothing failed: well is only what is known to be well. */

async function member(hub: TestHub, desk: TestWorkstation, name: string): Promise<WireBox> {
  const box = await wireBox(hub, name);
  const done = await desk.run(`host approve ${name} --words ${box.words} --yes --passphrase-file ${desk.passphraseFile}`);
  if (done.code !== 0) throw new Error(done.stderr);
  await box.collect();
  return box;
}

async function publish(hub: TestHub, desk: TestWorkstation, content: string): Promise<void> {
  for (const [path, text] of Object.entries({
    "fleet.yaml": "name: test\n",
    "targets.yaml": "- match: 'true'\n  states: [base]\n",
    "states/base.yaml": `/etc/motd:\n  file:\n    content: ${content}\n`,
  }))
    await Bun.write(`${hub.world.dir}/fleet/${path}`, text);
  const done = await desk.run(`publish fleet --yes --passphrase-file ${desk.passphraseFile}`);
  if (done.code !== 0) throw new Error(done.stderr);
}

test("a box that has not reported, or has not taken the new bundle yet, is not ok", async () => {
  using hub = await testHub();
  const desk = await testWorkstation(hub);
  const box = await member(hub, desk, "kovacs-1");
  const attention = async (): Promise<unknown> => JSON.parse((await desk.run("status -o json")).stdout).hosts.attention;
  expect((await desk.run("host list")).stdout).toContain("1 of 1 host needs attention");
  expect(await attention()).toBe(1);
  await publish(hub, desk, "one");
  await box.sync({ report: { bundle: 1 } }, { bundle: 1 });
  await hub.world.clock.advance(10_000);
  expect((await desk.run("host list")).stdout).toMatch(/kovacs-1 +✓ ok .*converged[^]*The one host is as wanted/);
  expect(await attention()).toBe(0);
  await publish(hub, desk, "two");
  await hub.world.clock.advance(10_000);
  const list = await desk.run("host list");
  expect(list.stdout).toMatch(/kovacs-1 +~ behind .*on bundle 1 of 2/);
  expect(list.stdout).not.toContain("as wanted");
  expect(JSON.parse((await desk.run("host list --attention -o json")).stdout)).toMatchObject({
    items: [{ name: "kovacs-1", health: "behind" }],
    summary: { attention: 1, behind: 1 },
  });
  expect((await desk.run("host list --health behind -o name")).stdout).toBe("kovacs-1\n");
  expect((await desk.run("host show kovacs-1")).stdout).toContain("~ behind");
  expect(await attention()).toBe(1);
  await box.sync({ report: { bundle: 2 } }, { bundle: 2 });
  await hub.world.clock.advance(10_000);
  expect((await desk.run("host list -o json")).stdout).toContain('"health":"ok"');
  expect(await attention()).toBe(0);
});

test("a request whose name a host or another request has is marked with whose it is", async () => {
  using hub = await testHub();
  const desk = await testWorkstation(hub);
  const member1 = await member(hub, desk, "kovacs-1");
  const twin = await wireBox(hub, "twin", {}, "kovacs-1");
  const third = await wireBox(hub, "third", {}, "kovacs-1");
  const other = await wireBox(hub, "dental-1");
  const pending = async () => JSON.parse((await desk.run("host list --pending -o json")).stdout).items;
  const marks = new Map((await pending()).map((item: { id: string; sameNameAs: unknown }) => [item.id, item.sameNameAs]));
  expect(marks.get(twin.requestId)).toEqual({ hosts: [member1.hostId], requests: [third.requestId] });
  expect(marks.get(third.requestId)).toEqual({ hosts: [member1.hostId], requests: [twin.requestId] });
  expect(marks.get(other.requestId)).toEqual({ hosts: [], requests: [] });
  const lines = (await desk.run("host list --pending", { columns: 200 })).stdout.split("\n");
  expect(lines.find((line) => line.includes(twin.words))).toContain(`! same name as ${member1.hostId}, ${third.requestId}`);
  expect(lines.find((line) => line.includes(other.words))).not.toContain("!");
  const narrow = (await desk.run("host list --pending", { columns: 80, tty: true })).stdout.split("\n");
  expect(narrow.find((line) => line.includes(twin.words))).toContain("! same name");
  // A revoked host's name is free.
  expect((await desk.run("host revoke kovacs-1 --confirm kovacs-1")).code).toBe(0);
  expect((await pending()).map((item: { sameNameAs: { hosts: unknown } }) => item.sameNameAs.hosts)).toEqual([[], [], []]);
});

test("a box whose clock is far off is noted, and a report that only waited is not", async () => {
  using hub = await testHub();
  const desk = await testWorkstation(hub);
  const box = await member(hub, desk, "kovacs-1");
  const { clock } = hub.world;
  const shown = async (): Promise<readonly unknown[]> => {
    const [item] = JSON.parse((await desk.run("host list -o json")).stdout).items;
    return [item.clockOffMs, /clock [+-]\d+ \w+/.exec((await desk.run("host list")).stdout)?.[0]];
  };
  const DAY = 86_400_000;
  await box.sync({ report: { bundle: 0 } });
  expect(await shown()).toEqual([null, undefined]);
  await box.sync({ report: { bundle: 0, created_at: clock.wallMs() + 40 * DAY } });
  expect(await shown()).toEqual([40 * DAY, "clock +40 d"]);
  expect((await desk.run("host show kovacs-1")).stdout).toMatch(/clock +\+40 d by its last report/);
  await box.sync({ report: { bundle: 0 } });
  expect(await shown()).toEqual([null, undefined]);
  // Silent for hours, then back with what it reported meanwhile.
  await clock.advance(5 * 3_600_000);
  await box.sync({ report: { bundle: 0, created_at: clock.wallMs() - 3 * 3_600_000 } });
  expect(await shown()).toEqual([null, undefined]);
  // In contact, and still it says that it is yesterday.
  for (let minutes = 0; minutes < 15; minutes += 1) {
    await clock.advance(60_000);
    await box.sync();
  }
  await box.sync({ report: { bundle: 0, created_at: clock.wallMs() - DAY } });
  expect(await shown()).toEqual([-DAY, "clock -1 d"]);
});
