import { beforeAll, expect, test } from "bun:test";
import { simulate } from "./simulate.ts";
import { warmUp } from "./warm-up.ts";

const TIMEOUT_MS = 240_000;
beforeAll(warmUp, TIMEOUT_MS);

test(
  "a fleet under faults breaks no promise and settles; the same seed is the same run, another seed another",
  async () => {
    const options = { boxes: 2, hours: 2 } as const;
    const [first, again, other] = [
      await simulate({ seed: "1", ...options }),
      await simulate({ seed: "1", ...options }),
      await simulate({ seed: "2", ...options }),
    ];
    expect([first.violations, other.violations]).toEqual([[], []]);
    expect(again.hash).toBe(first.hash);
    expect(other.hash).not.toBe(first.hash);
    expect(first.settledAfterMs).toBeLessThan(60 * 60_000);
  },
  TIMEOUT_MS,
);
