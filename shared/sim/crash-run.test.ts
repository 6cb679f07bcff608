/** A sample of the crash runs; `scripts/sim --crashes` goes through all of them. */
import { beforeAll, expect, test } from "bun:test";
import { crashRun } from "./crash-run.ts";
import { warmUp } from "./warm-up.ts";

const TIMEOUT_MS = 240_000;
beforeAll(warmUp, TIMEOUT_MS);

for (const nth of [40, 170, 390, 640, 1_010]) {
  test(
    `box-1 dies at its effect number ${nth} and comes back whole`,
    async () => {
      const run = await crashRun({ machine: "box-1", nth, how: nth % 20 === 0 ? "process dies" : "power fails", when: "dies after" });
      expect(run.violations).toEqual([]);
    },
    TIMEOUT_MS,
  );
}

for (const nth of [150, 420]) {
  test(
    `the hub loses its power at its effect number ${nth} and keeps what it promised`,
    async () => {
      const run = await crashRun({ machine: "hub", nth, how: "power fails", when: "dies after" });
      expect(run.violations).toEqual([]);
    },
    TIMEOUT_MS,
  );
}
