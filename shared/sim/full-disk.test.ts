/** A02: the disk under a box's database is full for half an hour, and then it is not. Nobody restarts anything. */
import { beforeAll, expect, test } from "bun:test";
import { Fault } from "../core/fault.ts";
import { DONE } from "./sim-process.ts";
import { simulate } from "./simulate.ts";
import { warmUp } from "./warm-up.ts";

const MINUTE_MS = 60_000;
const LINK_WRITES = new Set(["counter.write"]);
const TIMEOUT_MS = 240_000;
beforeAll(warmUp, TIMEOUT_MS);

test(
  "A02: a box whose disk is full for half an hour goes on, is seen by its hub, and tells everything afterwards",
  async () => {
    let tried = 0;
    const run = await simulate({
      seed: "full disk",
      boxes: 2,
      hours: 2,
      opsPerHour: 120,
      faults: false,
      begin: (cluster) => {
        cluster.fates = (machine, _process, op, kind) => {
          const isFull = cluster.nowMs > 60 * MINUTE_MS && cluster.nowMs < 90 * MINUTE_MS;
          // The last bytes went to rows that wait for the hub, and now nothing can be noted beside them.
          if (!isFull || machine !== "box-1" || kind !== "commit" || !LINK_WRITES.has(op)) return DONE;
          tried += 1;
          return { is: "fails", fault: new Fault("db_full", "Cannot commit: SQLITE_FULL", { facts: { op } }) };
        };
      },
    });
    expect(run.violations).toEqual([]);
    expect(tried).toBeGreaterThan(10);
  },
  TIMEOUT_MS,
);
