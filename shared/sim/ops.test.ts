/** Ops under everything that can break (O01, O07, J01 to J04), and with a hub that is hostile all the time. `scripts/sim --ops` and `--hostile` run more. */
import { beforeAll, expect, test } from "bun:test";
import { simulate } from "./simulate.ts";
import { warmUp } from "./warm-up.ts";

const TIMEOUT_MS = 240_000;
const HOSTILE_SEEDS = 4;
beforeAll(warmUp, TIMEOUT_MS);

test(
  "under faults each op has its effect once, each host one answer, and the logs agree; the same seed is the same run",
  async () => {
    const options = { seed: "ops", boxes: 2, hours: 1, opsPerHour: 120 } as const;
    const [first, again] = [await simulate(options), await simulate(options)];
    expect(first.violations).toEqual([]);
    expect(again.hash).toBe(first.hash);
    expect(first.ops.executed).toBeGreaterThan(50);
  },
  TIMEOUT_MS,
);

test(
  "O07: a hostile hub replays, rewrites, re-aims and makes up ops, and nothing runs that no operator signed",
  async () => {
    let executed = 0;
    for (let seed = 1; seed <= HOSTILE_SEEDS; seed += 1) {
      const run = await simulate({
        seed: `hostile ${seed}`,
        boxes: 2,
        hours: 0.5,
        faults: false,
        opsPerHour: 120,
        drive: ({ middleman }) => {
          middleman.hostility = 0.6;
        },
      });
      expect([seed, run.violations]).toEqual([seed, []]);
      expect(run.faults["net.tampered"]).toBeGreaterThan(20);
      executed += run.ops.executed;
    }
    expect(executed).toBeGreaterThan(HOSTILE_SEEDS * 5);
  },
  TIMEOUT_MS,
);
