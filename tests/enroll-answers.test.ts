/** What `felhom enroll` answers before any hub has: a script with `--no-wait` and no hub there, and a name that no hub would take. */
import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { runEnrollment } from "../agent/edge/enroll/run-enrollment.ts";
import { isFault } from "../shared/core/fault.ts";
import { testAgent } from "../shared/sim/test-agent.ts";
import { testHub } from "../shared/sim/test-hub.ts";
import { encodeJoinCode } from "../shared/trust/join-code.ts";

test("who does not wait is told when no hub answers, and goes on with the same keys", async () => {
  using hub = await testHub();
  await hub.logIn();
  const box = await testAgent(hub, "box-1");
  let asked = 0;
  box.intercept = async (_request, send) => {
    asked += 1;
    return asked > 3 ? send() : new Response("gone", { status: 502 });
  };
  const code = encodeJoinCode({ fleetId: hub.fleet.root.payload.fleet_id, rootHash: hub.fleet.root.hash, pins: [] });
  expect(await box.enroll(code, { wait: false })).toMatchObject({ is: "unreached" });
  expect(await box.enroll(undefined, { wait: false })).toMatchObject({ is: "pending" });
});

test("a name that no hub would take is refused here, and nothing is kept of it", async () => {
  using hub = await testHub();
  const join = encodeJoinCode({ fleetId: hub.fleet.root.payload.fleet_id, rootHash: hub.fleet.root.hash, pins: [] });
  const options = { dataDir: `${hub.world.dir}/box`, urls: ["http://127.0.0.1:1"], join, name: "Box \u001b[2J", wait: false };
  const error = await runEnrollment(hub.world, options, () => {}, new AbortController().signal).catch((caught: unknown) => caught);
  expect(isFault(error, "bad_request")).toBe(true);
  expect(existsSync(`${hub.world.dir}/box/identity/enrollment.json`)).toBe(false);
});
