import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { newSchedule, RETRY_FIRST_MS, type Schedule, type ScheduleEvent, sleepMs, turn, type Trigger } from "./schedule.ts";

const INTERVAL = 300_000;
const after = (state: Schedule, event: ScheduleEvent, monoMs = 0): Schedule => turn(state, event, monoMs).state;
const runs = (state: Schedule, event: ScheduleEvent, monoMs = 0): readonly Trigger[] => turn(state, event, monoMs).effects.map(({ trigger }) => trigger);

describe("a schedule", () => {
  test("runs at once when something is wanted, and one at a time", () => {
    const first = turn(newSchedule("h", INTERVAL), { on: "wanted", trigger: "boot" }, 0);
    expect(first.effects).toEqual([{ run: "converge", trigger: "boot" }]);
    expect(runs(first.state, { on: "wanted", trigger: "bundle" })).toEqual([]);
  });

  test("what is wanted during a run becomes one run after it, for the weightiest reason", () => {
    let state = after(newSchedule("h", INTERVAL), { on: "wanted", trigger: "boot" });
    for (const trigger of ["spec", "demand", "bundle"] as const) state = after(state, { on: "wanted", trigger });
    const next = turn(state, { on: "finished", ok: true }, 1_000);
    expect(next.effects).toEqual([{ run: "converge", trigger: "demand" }]);
    expect(runs(next.state, { on: "finished", ok: true }, 2_000)).toEqual([]);
  });

  test("the next run is an interval away, give or take a tenth, and the same for the same host", () => {
    const due = (seed: string): number =>
      sleepMs(after(after(newSchedule(seed, INTERVAL), { on: "wanted", trigger: "boot" }), { on: "finished", ok: true }, 0), 0) ?? 0;
    const waits = Array.from({ length: 200 }, (_, at) => due(`host-${at}`));
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(INTERVAL * 0.9);
    expect(Math.max(...waits)).toBeLessThanOrEqual(INTERVAL * 1.1);
    expect(new Set(waits).size).toBeGreaterThan(190);
    expect(due("host-7")).toBe(due("host-7"));
  });

  test("a machine that slept for a week makes up one run, not two thousand", () => {
    const state = after(after(newSchedule("h", INTERVAL), { on: "wanted", trigger: "boot" }), { on: "finished", ok: true }, 0);
    const late = 7 * 24 * 3_600_000;
    const woken = turn(state, { on: "tick" }, late);
    expect(woken.effects).toHaveLength(1);
    const done = after(woken.state, { on: "finished", ok: true }, late + 1);
    expect(runs(done, { on: "tick" }, late + 2)).toEqual([]);
  });

  test("a run that failed is tried again soon, later and later, and then at the usual pace", () => {
    let state = newSchedule("h", INTERVAL);
    const waits: number[] = [];
    for (let at = 0; at < 7; at += 1) {
      state = after(after(state, { on: "wanted", trigger: "demand" }), { on: "finished", ok: false }, 0);
      waits.push(sleepMs(state, 0) ?? 0);
    }
    expect(waits.slice(0, 5)).toEqual([RETRY_FIRST_MS, RETRY_FIRST_MS * 2, RETRY_FIRST_MS * 4, RETRY_FIRST_MS * 8, RETRY_FIRST_MS * 16]);
    expect(waits[6]).toBeGreaterThan(INTERVAL * 0.9 - 1);
  });

  test("a shorter interval pulls the next run in, a longer one leaves it", () => {
    const state = after(after(newSchedule("h", INTERVAL), { on: "wanted", trigger: "boot" }), { on: "finished", ok: true }, 0);
    const before = sleepMs(state, 0) ?? 0;
    expect(sleepMs(after(state, { on: "paced", intervalMs: 60_000 }), 0)).toBeLessThanOrEqual(66_000);
    expect(sleepMs(after(state, { on: "paced", intervalMs: 3_600_000 }), 0)).toBe(before);
  });

  test("never two at once, and never silent for ever, whatever happens in whatever order", () => {
    const event = fc.oneof(
      fc.constant<ScheduleEvent>({ on: "tick" }),
      fc.constantFrom<Trigger>("boot", "interval", "bundle", "spec", "demand", "retry").map((trigger): ScheduleEvent => ({ on: "wanted", trigger })),
      fc.record({ on: fc.constant("finished" as const), ok: fc.boolean(), retryInMs: fc.option(fc.nat(10_000_000), { nil: undefined }) }),
      fc.integer({ min: 60_000, max: 86_400_000 }).map((intervalMs): ScheduleEvent => ({ on: "paced", intervalMs })),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(event, fc.nat(4_000_000))), (steps) => {
        let state = after(newSchedule("h", INTERVAL), { on: "wanted", trigger: "boot" });
        let running = 1;
        let nowMs = 0;
        for (const [step, laterMs] of steps) {
          nowMs += laterMs;
          if (step.on === "finished" && state.running === undefined) continue;
          if (step.on === "finished") running -= 1;
          const next = turn(state, step, nowMs);
          running += next.effects.length;
          state = next.state;
          expect(running).toBeLessThanOrEqual(1);
          expect(running === 1 || sleepMs(state, nowMs) !== undefined).toBe(true);
        }
      }),
    );
  });
});
