/**
 * J03: a real hub is killed (kill -9) at its N-th fsync, pwrite64 or rename, for every N there is between an op that it is given and the
 * answer that it acknowledges, while a real agent answers over sync. Afterwards it starts anew, and: what it said it took it has,
 * what it has ran once, and each has the one answer.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Box, RealFleet } from "../../scripts/fleet/real-fleet.ts";
import { CountedOps } from "../loopback/counted-ops.ts";
import { aimAt, EXHAUSTIVE, noAttaching } from "../loopback/kill-points.ts";

/** How many calls go by between two kills, and how many points there are at least. */
const SYSCALLS: Readonly<Record<string, { readonly step: number; readonly pointsMin: number }>> = {
  fsync: { step: 1, pointsMin: 2 },
  pwrite64: { step: EXHAUSTIVE ? 1 : 3, pointsMin: 8 },
  // None today: SQLite's log is appended to. One that comes is swept too.
  rename: { step: 1, pointsMin: 0 },
};
const POINTS_MAX = 1_000;

const fleet = new RealFleet({ lightVault: true });
const given: { ops?: CountedOps; box?: Box } = {};
const seen = { kills: 0, untaken: 0 };

describe.skipIf(noAttaching !== undefined)(
  noAttaching === undefined ? "a hub, its ops and kill -9" : `a hub's ops and kill -9 [skipped: ${noAttaching}]`,
  () => {
    beforeAll(async () => {
      await fleet.start();
      given.box = await fleet.addBox("box-1");
      given.ops = new CountedOps(fleet, [given.box]);
      await given.ops.send("box-1");
      await given.ops.settled();
    }, 240_000);
    afterAll(async () => {
      await fleet.stop();
      process.stdout.write(`hub-ops-kill: ${JSON.stringify({ ...seen })}\n`);
    });

    /** One op with a kill at this call; `unharmed` when the hub came through. */
    async function killedAt(ops: CountedOps, syscall: string, nth: number): Promise<"killed" | "unharmed"> {
      const aim = await aimAt(fleet.pid("hub"), syscall, nth);
      const id = await ops.send("box-1");
      if (id === undefined) seen.untaken += 1;
      await fleet.until("the op is over, or the hub is", () => Promise.resolve(!fleet.isRunning("hub") || ops.open() === 0));
      await aim.lower();
      const outcome = (await fleet.hubStatus("/readyz")) === 200 ? "unharmed" : "killed";
      if (outcome === "killed") {
        seen.kills += 1;
        await fleet.until("the hub has ended", () => Promise.resolve(!fleet.isRunning("hub")));
        await fleet.startHub();
      }
      await ops.settled();
      const { duplicates, lost, untrue, interrupted } = ops.tally();
      expect({ where: `${syscall} ${nth}`, duplicates, lost, untrue, interrupted }).toEqual({
        where: `${syscall} ${nth}`,
        duplicates: 0,
        lost: [],
        untrue: [],
        interrupted: 0,
      });
      return outcome;
    }

    for (const [syscall, { step, pointsMin }] of Object.entries(SYSCALLS)) {
      test(`killed at any ${syscall} between an op and its stored answer: once, one answer, nothing it acknowledged forgotten`, async () => {
        const { ops } = given;
        if (ops === undefined) throw new Error("there is no fleet");
        let points = 0;
        let nth = 1;
        // A call of another thread may be missed at one number and met at the next: it is over when two in a row went well.
        for (let harmless = 0; harmless < 2 && nth <= POINTS_MAX; nth += step) {
          if ((await killedAt(ops, syscall, nth)) === "killed") [points, harmless] = [points + 1, 0];
          else harmless += 1;
        }
        process.stdout.write(
          `kill points, a hub with an op at ${syscall}: ${points}${step === 1 ? "" : `, every ${step}th (FELHOM_EXHAUSTIVE=1 takes all)`}\n`,
        );
        expect(nth).toBeLessThanOrEqual(POINTS_MAX);
        expect(points).toBeGreaterThanOrEqual(pointsMin);
      }, 1_800_000);
    }
  },
);
