/** Every planted bug is caught, by the checker that promises it; and without one, the same runs are clean. */
import { beforeAll, describe, expect, test } from "bun:test";
import { simulate } from "../simulate.ts";
import { warmUp } from "../warm-up.ts";
import { BUGS } from "./bugs.ts";
import { restoresHub } from "./hub-bugs.ts";

const COMMON = { seed: "planted", boxes: 2, hours: 3, settleHours: 1, faults: false } as const;
const TIMEOUT_MS = 240_000;

beforeAll(warmUp, TIMEOUT_MS);

describe("a planted bug is caught", () => {
  for (const bug of BUGS) {
    test(
      `${bug.name} (${bug.what}) by ${bug.caughtBy}`,
      async () => {
        const run = await simulate({ ...COMMON, stopAt: bug.caughtBy, ...bug.plant() });
        const caught = new Set(run.violations.map(({ checker }) => checker));
        if (bug.caughtBy === "same-seed-same-run") {
          const again = await simulate({ ...COMMON, stopAt: bug.caughtBy, ...bug.plant() });
          if (again.hash !== run.hash) caught.add("same-seed-same-run");
        }
        expect([...caught]).toContain(bug.caughtBy);
      },
      TIMEOUT_MS,
    );
  }
});

test(
  "without a bug the same fleet settles, also when an old backup of the hub is put back",
  async () => {
    for (const drive of [undefined, restoresHub]) {
      const run = await simulate({ ...COMMON, ...(drive === undefined ? {} : { drive }) });
      expect(run.violations).toEqual([]);
    }
  },
  TIMEOUT_MS,
);
