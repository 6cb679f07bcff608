import { describe, expect, test } from "bun:test";
import { utf8 } from "../../../shared/core/bytes.ts";
import { durableWrite } from "../../../shared/edge/durable-write.ts";
import { testHost } from "../../../shared/sim/test-fleet.ts";
import { testWorld } from "../../../shared/sim/test-world.ts";
import { paths } from "../../core/desired/paths.ts";
import { specInForce } from "../../core/desired/spec-defaults.ts";
import type { Desired } from "./load-desired.ts";
import { readSpecInForce } from "./spec-in-force.ts";

const { hostId } = testHost("a");
const night = [{ days: [0, 1, 2, 3, 4, 5, 6], from: "01:00", to: "04:00" }];
const spec = { v: 1, host_id: hostId, generation: 3, mode: "monitor", interval_s: 600 } as const;

describe("the spec in force", () => {
  test("is the host's own where it says something, and the fleet's where it does not", () => {
    expect(specInForce(spec, { interval: 120, applyWindows: night }, hostId, 0)).toEqual({ ...spec, apply_windows: night });
    expect(specInForce(undefined, { interval: 120 }, hostId, 0)).toEqual({ v: 1, host_id: hostId, generation: 0, mode: "enforce", interval_s: 120 });
    expect(specInForce({ ...spec, mode: "enforce" }, { mode: "monitor" }, hostId, 0)).toMatchObject({ mode: "monitor", generation: 3 });
    expect(specInForce(spec, { mode: "enforce" }, hostId, 0)).toMatchObject({ mode: "monitor" });
    expect(specInForce(spec, {}, hostId, 0)).toBe(spec);
    expect(specInForce(undefined, undefined, hostId, 0)).toBeUndefined();
    expect(specInForce(undefined, { interval: 120 }, undefined, 0)).toBeUndefined();
  });

  test("a fleet.yaml that cannot be read does not open a window that the last good one closed", async () => {
    using world = testWorld();
    const desired = (bundle: number, lastGood?: number) =>
      ({
        documents: { spec, ...(lastGood === undefined ? {} : { lastGood: { bundle: lastGood, resources: [] } }) },
        bundle: { version: bundle },
        identity: { hostId },
      }) as unknown as Desired;
    const write = (version: number, text: string) => {
      for (const dir of [paths(world.dir).bundles, paths(world.dir).bundle(version)])
        if (world.files.stat("test", dir) === undefined) world.files.makeDir("test", dir, 0o700);
      durableWrite(world.files, world.crypto, "test", `${paths(world.dir).bundle(version)}/fleet.yaml`, utf8(text), { mode: 0o600 });
    };
    expect(await readSpecInForce(world, world.dir, desired(7))).toEqual(spec);
    write(7, `name: x\ndefaults:\n  applyWindows:\n    - { days: [0, 1, 2, 3, 4, 5, 6], from: "01:00", to: "04:00" }\n`);
    expect(await readSpecInForce(world, world.dir, desired(7))).toEqual({ ...spec, apply_windows: night });
    write(8, "name: x\ndefualts: {}\n");
    expect(await readSpecInForce(world, world.dir, desired(8, 7))).toEqual({ ...spec, apply_windows: night });
    write(8, "name: x\n");
    expect(await readSpecInForce(world, world.dir, desired(8, 7))).toEqual(spec);
  });
});
