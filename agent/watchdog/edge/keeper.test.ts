import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, writeFileSync } from "node:fs";
import { Fault } from "../../../shared/core/fault.ts";
import type { Child } from "../../../shared/ports/exec.ts";
import { testWorld, type TestWorld } from "../../../shared/sim/test-world.ts";
import { supervise } from "../../../shared/supervise.ts";
import { compose } from "../mode.ts";

/** A stand-in for the agent: what it answers and when it ends is up to the test. */
interface FakeAgent {
  readonly argv: readonly string[];
  readonly signals: string[];
  end(): void;
}

let world: TestWorld;
let agents: FakeAgent[];
let answer: () => number;
let stop: AbortController;
let obeys: boolean;

beforeEach(() => {
  agents = [];
  answer = () => 200;
  obeys = true;
  stop = new AbortController();
  world = testWorld({
    exec: {
      run: () => Promise.reject(new Fault("exec_missing", "Cannot run")),
      start: () => {
        throw new Fault("exec_missing", "Cannot start");
      },
      spawn: (_op, command): Child => {
        const ended = Promise.withResolvers<{ code: number | null; signal: string | null }>();
        const agent: FakeAgent = { argv: command.argv, signals: [], end: () => ended.resolve({ code: 1, signal: null }) };
        agents.push(agent);
        return {
          pid: agents.length,
          exited: ended.promise,
          kill: (signal) => (agent.signals.push(signal), obeys || signal === "KILL" ? agent.end() : undefined),
        };
      },
    },
    net: {
      request: () => {
        const status = answer();
        return status === 0 ? Promise.reject(new Fault("net_unreachable", "Cannot connect")) : Promise.resolve({ status, headers: {}, body: new Uint8Array() });
      },
      stream: () => Promise.reject(new Fault("net_unreachable", "Cannot connect")),
      serve: () => Promise.reject(new Fault("net_unreachable", "Cannot serve")),
    },
  });
});
afterEach(() => world.remove());

const places = () => ({ dataDir: `${world.dir}/data`, socketPath: `${world.dir}/data/agent.sock` });
async function pass(ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 1_000) await world.clock.advance(Math.min(left, 1_000));
}

test("keeps one agent running, with its places as flags", async () => {
  const ended = supervise(compose(places(), world), world, stop.signal);
  await pass(60_000);
  expect(agents.map(({ argv }) => argv.slice(-5))).toEqual([["agent", "--data-dir", places().dataDir, "--socket-path", places().socketPath]]);
  stop.abort();
  await pass(2_000);
  expect((await ended).because).toBe("stopped");
  expect(agents[0]?.signals).toEqual(["TERM"]);
});

test("starts it again when it dies, and when it no longer answers", async () => {
  const ended = supervise(compose(places(), world), world, stop.signal);
  await pass(10_000);
  agents[0]?.end();
  await pass(30_000);
  expect(agents).toHaveLength(2);
  answer = () => 0;
  await pass(120_000);
  expect(agents[1]?.signals).toEqual(["TERM"]);
  expect(agents.length).toBeGreaterThanOrEqual(3);
  stop.abort();
  await pass(2_000);
  await ended;
});

test("an agent that does not obey is killed, in bounded time, also when the watchdog stops", async () => {
  obeys = false;
  const ended = supervise(compose(places(), world), world, stop.signal, 105_000);
  await pass(10_000);
  stop.abort();
  await pass(101_000);
  expect((await ended).because).toBe("stopped");
  expect(agents[0]?.signals).toEqual(["TERM", "KILL"]);
});

test("in the slow tier a file re-arms it at once", async () => {
  const ended = supervise(compose(places(), world), world, stop.signal);
  for (let second = 0; second < 1_200; second += 1) {
    agents.at(-1)?.end();
    await pass(1_000);
  }
  const before = agents.length;
  await pass(5_000);
  expect(agents).toHaveLength(before);
  writeFileSync(`${places().dataDir}/watchdog.rearm`, "");
  await pass(2_000);
  expect(agents).toHaveLength(before + 1);
  expect(existsSync(`${places().dataDir}/watchdog.rearm`)).toBe(false);
  stop.abort();
  await pass(9_000);
  await ended;
});

test("two watchdogs on one data directory: the second one is refused", async () => {
  const ended = supervise(compose(places(), world), world, stop.signal);
  await pass(1_000);
  expect(await supervise(compose(places(), world), world, new AbortController().signal)).toMatchObject({ because: "failed", error: { code: "lock_held" } });
  stop.abort();
  await pass(2_000);
  await ended;
});
