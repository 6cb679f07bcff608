import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { seededRng } from "../../../shared/edge/rng.ts";
import {
  isSlow,
  newWatch,
  QUICK_RESTARTS_MAX,
  SILENT_MAX,
  SLOW_MS,
  STABLE_MS,
  STARTUP_MS,
  STOP_MS,
  turn,
  UNREADY_MS,
  type Watch,
  type WatchEffect,
  type WatchEvent,
} from "./verdict.ts";

const rng = seededRng("watch");
const step = (state: Watch, event: WatchEvent, nowMs = 0) => turn(state, event, nowMs, rng);
const does = (effects: readonly WatchEffect[]): readonly string[] => effects.map(({ run }) => run).filter((run) => run !== "tell");
const started = (): Watch => step(newWatch(0), { on: "tick" }).state;
const up = (): Watch => step(started(), { on: "probed", answer: "ready" }).state;

describe("a watchdog", () => {
  test("starts the agent at once and asks whether it is ready", () => {
    expect(does(step(newWatch(0), { on: "tick" }).effects)).toEqual(["start"]);
    expect(does(step(started(), { on: "tick" }, 1_000).effects)).toEqual(["probe"]);
    expect(up().keeping.at).toBe("up");
  });

  test("ends an agent that never answers, but gives it its time", () => {
    expect(does(step(started(), { on: "tick" }, STARTUP_MS - 1).effects)).toEqual(["probe"]);
    expect(does(step(started(), { on: "tick" }, STARTUP_MS).effects)).toEqual(["term"]);
  });

  test("ends an agent that stopped answering, not one that missed a beat", () => {
    let state = up();
    for (let probe = 1; probe < SILENT_MAX; probe += 1) {
      const next = step(state, { on: "probed", answer: "silent" });
      expect(does(next.effects)).toEqual([]);
      state = next.state;
    }
    expect(step(step(state, { on: "probed", answer: "ready" }).state, { on: "probed", answer: "silent" }).state.keeping.at).toBe("up");
    expect(does(step(state, { on: "probed", answer: "silent" }).effects)).toEqual(["term"]);
  });

  test("ends an agent that has long said it is not ready", () => {
    const first = step(up(), { on: "probed", answer: "unready" }, 0);
    expect(does(step(first.state, { on: "probed", answer: "unready" }, UNREADY_MS - 1).effects)).toEqual([]);
    expect(does(step(first.state, { on: "probed", answer: "unready" }, UNREADY_MS).effects)).toEqual(["term"]);
  });

  test("kills what does not end by itself", () => {
    const { state } = step(started(), { on: "tick" }, STARTUP_MS);
    expect(does(step(state, { on: "tick" }, STARTUP_MS + STOP_MS - 1).effects)).toEqual([]);
    expect(does(step(state, { on: "tick" }, STARTUP_MS + STOP_MS).effects)).toEqual(["kill"]);
  });

  test("backs off, then tries every ten minutes for ever", () => {
    let state = newWatch(0);
    let nowMs = 0;
    const gaps: number[] = [];
    for (let crash = 0; crash < 1_000; crash += 1) {
      state = step(state, { on: "tick" }, nowMs).state;
      expect(state.keeping.at).toBe("starting");
      state = step(state, { on: "exited" }, nowMs).state;
      if (state.keeping.at !== "down") throw new Error("it is down");
      gaps.push(state.keeping.startAtMs - nowMs);
      nowMs = state.keeping.startAtMs;
    }
    expect(Math.max(...gaps.slice(0, QUICK_RESTARTS_MAX))).toBeLessThanOrEqual(60_000);
    expect(Math.min(...gaps.slice(QUICK_RESTARTS_MAX))).toBeGreaterThanOrEqual(SLOW_MS * 0.9);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(SLOW_MS * 1.1);
    expect(isSlow(state)).toBe(true);
  });

  test("re-armed, it starts at once and counts from zero", () => {
    let state = newWatch(0);
    for (let crash = 0; crash < 20; crash += 1)
      state = step(step({ ...state, keeping: { at: "down", startAtMs: 0 } }, { on: "tick" }).state, { on: "exited" }).state;
    const armed = step(state, { on: "rearmed" }, 5).state;
    expect([isSlow(armed), does(step(armed, { on: "tick" }, 5).effects)]).toEqual([false, ["start"]]);
  });

  test("an agent that ran well for long starts with a clean slate", () => {
    const crashed: Watch = { ...up(), restarts: 9 };
    expect(step(crashed, { on: "probed", answer: "ready" }, STABLE_MS).state.restarts).toBe(0);
    expect(step(crashed, { on: "exited" }, STABLE_MS).state.restarts).toBe(1);
  });

  test("told to stop, it ends the agent and starts no other", () => {
    const stopping = step(up(), { on: "stop" });
    expect(does(stopping.effects)).toEqual(["term"]);
    const stopped = step(stopping.state, { on: "exited" }).state;
    expect(stopped.keeping.at).toBe("stopped");
    expect(does(step(stopped, { on: "tick" }, 1e9).effects)).toEqual([]);
  });

  test("never two agents, and never none for longer than the slow tier", () => {
    const event = fc.constantFrom<WatchEvent>(
      { on: "tick" },
      { on: "probed", answer: "ready" },
      { on: "probed", answer: "unready" },
      { on: "probed", answer: "silent" },
      { on: "exited" },
      { on: "rearmed" },
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(event, fc.nat(120_000))), (steps) => {
        let state = newWatch(0);
        let alive = 0;
        let nowMs = 0;
        for (const [happened, laterMs] of steps) {
          nowMs += laterMs;
          if (happened.on === "exited" && alive === 0) continue;
          if (happened.on === "exited") alive -= 1;
          const next = turn(state, happened, nowMs, rng);
          alive += next.effects.filter(({ run }) => run === "start").length;
          state = next.state;
          expect(alive).toBeLessThanOrEqual(1);
          if (state.keeping.at === "down") expect(state.keeping.startAtMs - nowMs).toBeLessThanOrEqual(SLOW_MS * 1.1);
          expect(alive === 1 || state.keeping.at === "down").toBe(true);
        }
      }),
    );
  });
});
