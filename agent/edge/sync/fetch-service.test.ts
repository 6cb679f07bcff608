import { expect, test } from "bun:test";
import { testWorld } from "../../../shared/sim/test-world.ts";
import type { Held } from "../../core/worker/messages.ts";
import { AGENT_DEFAULTS } from "../../settings.ts";
import { Desk } from "../desk.ts";
import { AgentStore } from "../store/agent-store.ts";
import type { WorkerClient } from "../worker/worker-client.ts";
import { fetchService } from "./fetch-service.ts";

const held = (changes: Partial<Held>): Held => ({
  source: "database",
  notes: [],
  root: 1,
  cert: 1,
  bundle: 0,
  candidate: 1,
  missing: [],
  pins: [],
  ...changes,
});

test("a bundle that another worker has brought into force meanwhile is converged on at once", async () => {
  using world = testWorld();
  const settings = { ...AGENT_DEFAULTS, dataDir: world.dir, socketPath: `${world.dir}/agent.sock` };
  const desk = new Desk(world, settings, new AgentStore(world, world.dir));
  desk.held = held({});
  // The worker of an agent that was killed lived on, and has staged what this one was about to.
  const workers = { ask: () => Promise.resolve({ op: "stage", held: held({ bundle: 1, candidate: 0 }), staged: false, refused: [] }) };
  const stop = new AbortController();
  const { done } = await fetchService(world, desk, workers as unknown as WorkerClient).start(stop.signal);
  for (let turns = 0; turns < 50 && desk.held?.bundle !== 1; turns += 1) await new Promise((resolve) => setImmediate(resolve));
  for (let turns = 0; turns < 5; turns += 1) await new Promise((resolve) => setImmediate(resolve));
  stop.abort();
  await done;
  expect([desk.held?.bundle, desk.takeTriggers()]).toEqual([1, ["bundle"]]);
});
