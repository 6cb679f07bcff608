import { expect, test } from "bun:test";
import { testHub } from "../../shared/sim/test-hub.ts";
import { testWorkstation } from "../../shared/sim/test-workstation.ts";
import { wireBox } from "../../shared/sim/wire-box.ts";
import { takeSince } from "../edge/hub-api.ts";

/** `--since` on a real hub: what is older is left out, and not read to its end; without a limit of its own it shows all of the rest. */
test("events and audit rows since a time, as many as there are", async () => {
  using hub = await testHub();
  const desk = await testWorkstation(hub);
  const ask = async (count: number, from: string): Promise<void> => {
    for (let at = 0; at < count; at += 1) {
      await wireBox(hub, `${from}-${at}`);
      const done = await desk.run(`host reject ${from}-${at} --yes`);
      if (done.code !== 0) throw new Error(done.stderr);
    }
  };
  await ask(2, "old");
  const begun = hub.world.clock.wallMs();
  await hub.world.clock.advance(3 * 3_600_000);
  await ask(30, "new");
  const hosts = async (words: string): Promise<readonly string[]> =>
    JSON.parse((await desk.run(`event list --kind host.enroll-requested ${words} -o json`)).stdout).items.map((item: { host: string }) => item.host);
  expect((await hosts("")).length).toBe(32);
  expect(await hosts("--since 2h")).toEqual(Array.from({ length: 30 }, (_, at) => `new-${at}`));
  expect(await hosts("--since 2h --limit 1")).toEqual(["new-29"]);
  expect((await hosts(`--since ${new Date(begun + 1).toISOString()}`)).length).toBe(30);
  expect((await hosts("--since 4h")).length).toBe(32);
  const all = JSON.parse((await desk.run("event list --since 2h -o json")).stdout).items;
  expect(all.length).toBeGreaterThan(50);
  const audit = JSON.parse((await desk.run("audit --since 2h -o json")).stdout).items;
  expect(audit.filter(({ action }: { action: string }) => action === "enrollment.reject" || action === "host.reject").length).toBe(30);
  expect(audit[0].data).toBeObject();
  expect(await desk.run("event list --since yesterday")).toMatchObject({ code: 2, stderr: expect.stringContaining("--since takes") });
  expect((await desk.run("audit --since 1s")).stdout).toMatch(/SEQ|Nothing was changed since/);
});

test("a list is not read to its end, and a clock that was set back hides nothing near by", async () => {
  const read = { rows: 0 };
  // Newest first; for ten rows the hub's clock was an hour slow.
  async function* rows(): AsyncGenerator<{ readonly at: number }> {
    for (let at = 100_000; at > 0; at -= 1) {
      read.rows += 1;
      yield { at: at > 99_900 && at <= 99_910 ? at - 3_600 : at };
    }
  }
  const taken = await takeSince(rows(), 99_801, 100_000);
  expect(taken.length).toBe(190);
  expect(read.rows).toBeLessThan(1_000);
});
