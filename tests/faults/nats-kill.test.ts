/**
 * At most once with a bus that dies: a real nats-server is killed (kill -9) at each of the calls by which it writes, from its start on,
 * while ops flow over it; and then hub, agents and nats-server at random moments under load. Every op that was taken ends in
 * every host, once, with one answer; what nobody can know is `interrupted` (C01, C02, J01, J03, J06).
 *
 * FELHOM_KILL_SECONDS is how long the random part lasts, FELHOM_SEED its seed.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { AgentStatus } from "../../agent/core/status/agent-status.ts";
import { type Box, RealFleet } from "../../scripts/fleet/real-fleet.ts";
import { freePort } from "../../shared/sim/free-port.ts";
import { seededRng } from "../../shared/edge/rng.ts";
import { natsServer, type RealNats, startNats } from "../../shared/sim/real-nats.ts";
import { CountedOps } from "../loopback/counted-ops.ts";
import { aimAt, EXHAUSTIVE, killAt, noAttaching } from "../loopback/kill-points.ts";

/** What it writes streams and consumers with, and how many calls go by between two kills at its start: most writes there are lines of its log. */
const SYSCALLS: Readonly<Record<string, number>> = { pwrite64: 1, write: EXHAUSTIVE ? 1 : 6, ftruncate: 1, fsync: 1, unlinkat: 1, renameat: 1 };
const POINTS_MAX = 100;
const KILL_MS = Number(process.env["FELHOM_KILL_SECONDS"] ?? "30") * 1_000;
const SEED = process.env["FELHOM_SEED"] ?? "nats-kill";
const reason = noAttaching ?? (natsServer === null ? "nats-server is not installed" : undefined);

const hubFlags: string[] = [];
const isAttached = ({ nats }: AgentStatus): boolean => nats?.is === "attached";
const fleet = new RealFleet({ hubFlags, lightVault: true });
const boxes: Box[] = [];
const inject: string[] = [];
const kills: Record<string, number> = {};
const seen: { carriers: Readonly<Record<string, number>>; tally: Readonly<Record<string, number>> } = { carriers: {}, tally: {} };
const given: { nats?: RealNats; ops?: CountedOps } = {};

function parts(): { readonly nats: RealNats; readonly ops: CountedOps } {
  const { nats, ops } = given;
  if (nats === undefined || ops === undefined) throw new Error("there is no fleet");
  return { nats, ops };
}

/** Killed and started anew, so that nobody is in a long pause after many failures. */
async function restartAll(): Promise<void> {
  await Promise.all(["hub", ...boxes.map(({ name }) => `agent-${name}`)].map((name) => fleet.kill(name, "SIGKILL")));
  await Promise.all([fleet.startHub(), ...boxes.map((box) => fleet.startAgent(box))]);
}

async function expectWhole(where: string): Promise<void> {
  await parts().ops.settled();
  const { duplicates, lost, untrue, ...counts } = parts().ops.tally();
  expect({ where, duplicates, lost, untrue }).toEqual({ where, duplicates: 0, lost: [], untrue: [] });
  seen.tally = { ...counts, duplicates, lost: lost.length };
  seen.carriers = carriers();
}

const noteKill = (what: string): void => void (kills[what] = (kills[what] ?? 0) + 1);

/** By which carrier the boxes' ledgers met their ops. */
function carriers(): Readonly<Record<string, number>> {
  const lines = boxes.flatMap(({ name }) => readFileSync(join(fleet.dir, `agent-${name}.log`), "utf8").split("\n"));
  const met = lines.flatMap((line): readonly string[] => (line.includes('"op.admitted"') ? [String(JSON.parse(line).carrier)] : []));
  return Object.fromEntries(["nats", "sync"].map((carrier) => [carrier, met.filter((one) => one === carrier).length]));
}

describe.skipIf(reason !== undefined)(reason === undefined ? "NATS and kill -9" : `NATS and kill -9 [skipped: ${reason}]`, () => {
  beforeAll(async () => {
    const port = await freePort();
    hubFlags.push("--nats-urls", `nats://127.0.0.1:${port}`);
    await fleet.start();
    for (const name of ["box-1", "box-2"]) boxes.push(await fleet.addBox(name));
    const dir = join(fleet.dir, "nats");
    mkdirSync(dir);
    given.nats = await startNats({
      dir,
      port,
      wrap: () => inject,
      prepare: ({ storeDir }) => {
        const out = join(dir, "made.conf");
        const place = ["--plain", "--listen", `127.0.0.1:${port}`, "--store-dir", storeDir, "--disk-gib", "1"];
        fleet.operator(["hub", "nats-config", "--data-dir", fleet.hubDir, ...place, "--out", out]);
        return Promise.resolve(readFileSync(out, "utf8"));
      },
    });
    given.ops = new CountedOps(fleet, boxes);
    for (const { name } of boxes) fleet.operator(["host", "spec", name, "--nats", "--yes"]);
    await fleet.untilBoxes("attached", boxes, isAttached);
  }, 240_000);
  afterAll(async () => {
    await given.nats?.kill();
    await fleet.stop();
    process.stdout.write(`nats-kill: ${JSON.stringify({ seed: SEED, kills, carriers: seen.carriers, ...seen.tally })}\n`);
  });

  async function diesAtItsStart(syscall: string, nth: number): Promise<boolean> {
    const { nats } = parts();
    await nats.kill();
    inject.push(...killAt(syscall, nth, true));
    const hasStarted = await nats.start().then(
      () => true,
      () => false,
    );
    inject.length = 0;
    await nats.kill();
    // What a dead one left is no obstacle to the next.
    await nats.start();
    return !hasStarted;
  }

  async function diesAtWork(syscall: string, nth: number): Promise<boolean> {
    const { nats, ops } = parts();
    await fleet.untilBoxes("attached", boxes, isAttached);
    const aim = await aimAt(nats.pid, syscall, nth);
    await ops.send("*");
    await fleet.until("the op is over", () => Promise.resolve(ops.open() === 0));
    await aim.lower();
    if (nats.isUp) return false;
    await nats.kill();
    await nats.start();
    await restartAll();
    return true;
  }

  for (const [when, dies] of [
    ["at its start", diesAtItsStart],
    ["at work", diesAtWork],
  ] as const) {
    test(`a server killed ${when}, at any call by which it writes: every op ends once`, async () => {
      await restartAll();
      for (const [syscall, steps] of Object.entries(SYSCALLS)) {
        const step = when === "at its start" ? steps : 1;
        for (let nth = 1; nth <= POINTS_MAX && (await dies(syscall, nth)); nth += step) noteKill(`${syscall}, ${when}`);
      }
      await parts().ops.send("*");
      await expectWhole(when);
      process.stdout.write(`kill points, nats-server: ${JSON.stringify(kills)}\n`);
      expect(Object.keys(kills).filter((what) => what.endsWith(when)).length).toBeGreaterThan(0);
    }, 1_200_000);
  }

  test(
    `any of hub, agents and nats-server killed at random under load: duplicates 0, lost 0 (seed ${SEED})`,
    async () => {
      const { nats, ops } = parts();
      const rng = seededRng(SEED);
      await nats.kill();
      await nats.start();
      await restartAll();
      await fleet.untilBoxes("attached", boxes, isAttached);
      const endMs = performance.now() + KILL_MS;
      const isOn = (): boolean => performance.now() < endMs;
      const send = async (): Promise<void> => {
        while (isOn()) await ops.send(["*", "box-1", "box-2"][rng.int(3)] ?? "*");
      };
      const victims: readonly (readonly [string, () => Promise<void>])[] = [
        ["nats", () => nats.kill().then(() => nats.start())],
        ["hub", () => fleet.kill("hub", "SIGKILL").then(() => fleet.startHub())],
        ...boxes.map((box) => [`agent`, () => fleet.kill(`agent-${box.name}`, "SIGKILL").then(() => fleet.startAgent(box))] as const),
      ];
      const killing = async (): Promise<void> => {
        while (isOn()) {
          await Bun.sleep(rng.int(1_500));
          const [what, strike] = victims[rng.int(victims.length)] ?? ["", () => Promise.resolve()];
          await strike();
          noteKill(`${what}, at random`);
        }
      };
      await Promise.all([send(), send(), killing()]);
      await expectWhole("at random");
      expect((seen.carriers["nats"] ?? 0) > 0 && (seen.carriers["sync"] ?? 0) > 0).toBe(true);
    },
    KILL_MS + 600_000,
  );
});
