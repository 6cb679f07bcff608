import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { dueAtOf, isOver, type Job, type JobEffect, type JobEvent, newJob, opStateOf, type Plan, released, totalOf, turnJob } from "./job.ts";
import { isOpenTarget, type Target, TARGET_STATES, type TargetEvent, turnTarget } from "./target-state.ts";

const HOUR = 3_600_000;
const PLAN: Plan = { batches: 1, canaries: false, pauseMs: 0, maxFail: null, patienceMs: 60_000, dropsAway: false, expiresAtMs: HOUR, answerByMs: 2 * HOUR };

interface Row {
  target: Target;
  readonly batch: number;
}

/** Carries out effects on rows in memory, as `hub/edge/ops/run-job.ts` does on tables, and holds every step to the invariants. */
class Fleet {
  readonly rows: readonly Row[];
  job: Job;
  nowMs = 0;
  readonly ends: (string | undefined)[];

  constructor(plan: Plan, batches: readonly number[]) {
    this.rows = batches.flatMap((size, batch) =>
      Array.from(
        { length: size },
        (): Row => ({ batch, target: { at: batch === 0 ? "waiting" : "queued", sinceMs: 0, code: null, answered: false, late: null } }),
      ),
    );
    this.ends = this.rows.map(() => undefined);
    this.job = newJob(plan, { total: this.rows.length, released: batches[0] ?? 0 }, 0);
  }

  turn(event: JobEvent): void {
    const { job, effects } = turnJob(this.job, event, this.nowMs);
    this.job = job;
    for (const effect of effects) this.#run(effect);
    this.check();
  }

  host(at: number, event: TargetEvent): void {
    const row = this.rows[at];
    if (row === undefined) return;
    const from = row.target.at;
    row.target = turnTarget(row.target, event, this.nowMs);
    this.turn({ on: "moved", from, to: row.target.at, batch: row.batch, count: 1 });
  }

  #run(effect: JobEffect): void {
    switch (effect.run) {
      case "release":
        this.#all(({ batch, target }) => batch === effect.batch && target.at === "queued", { on: "released" });
        this.job = released(this.job, this.rows.filter(({ batch, target }) => batch === effect.batch && isOpenTarget(target.at)).length);
        this.turn({ on: "time" });
        return;
      case "withdraw":
        return this.#all(() => true, { on: "withdrawn", because: effect.because });
      case "end":
        return this.#all(() => true, { on: "ended" });
      case "drop-away":
        return this.#all(() => true, { on: "away" });
      case "give-up":
        return this.#all(() => true, { on: "given-up" });
    }
  }

  #all(which: (row: Row) => boolean, event: TargetEvent): void {
    // Which ones is settled before the first moves: a batch that is released meanwhile is not meant.
    const meant = [...this.rows.keys()].filter((at) => {
      const row = this.rows[at];
      return row !== undefined && which(row) && turnTarget(row.target, event, this.nowMs) !== row.target;
    });
    for (const at of meant) this.host(at, event);
  }

  check(): void {
    for (const state of TARGET_STATES) expect([state, this.job.counts[state]]).toEqual([state, this.rows.filter(({ target }) => target.at === state).length]);
    expect(totalOf(this.job)).toBe(this.rows.length);
    for (const [at, { target }] of this.rows.entries()) {
      if (this.ends[at] !== undefined) expect(target.at).toBe(this.ends[at] as typeof target.at);
      else if (!isOpenTarget(target.at)) this.ends[at] = target.at;
    }
    const due = dueAtOf(this.job);
    expect(due === undefined).toBe(isOver(this.job));
    // Never stuck: what is not over is due by the time in which an answer could come.
    if (due !== undefined) expect(due).toBeLessThanOrEqual(this.job.plan.answerByMs);
  }

  states(): readonly string[] {
    return this.rows.map(({ target }) => target.at);
  }
}

const answered = (as: "returned" | "failed" | "refused" | "busy" | "cancelled" | "expired"): TargetEvent => ({ on: "answered", as, code: null });

test("without pacing all are released; it is done when all returned", () => {
  const fleet = new Fleet(PLAN, [3]);
  expect(opStateOf(fleet.job)).toBe("signed");
  fleet.host(0, { on: "offered" });
  expect(opStateOf(fleet.job)).toBe("delivered");
  fleet.host(0, { on: "part" });
  expect(opStateOf(fleet.job)).toBe("running");
  for (const at of [0, 1, 2]) fleet.host(at, answered("returned"));
  expect([opStateOf(fleet.job), dueAtOf(fleet.job)]).toEqual(["done", undefined]);
});

test("the next batch goes when the one before has ended and the pause is over", () => {
  const fleet = new Fleet({ ...PLAN, batches: 3, pauseMs: 5_000 }, [2, 2, 1]);
  fleet.host(0, answered("returned"));
  fleet.nowMs = 1_000;
  fleet.host(1, answered("returned"));
  expect(fleet.states()).toEqual(["returned", "returned", "queued", "queued", "queued"]);
  expect(dueAtOf(fleet.job)).toBe(6_000);
  fleet.nowMs = 5_999;
  fleet.turn({ on: "time" });
  expect(fleet.states().slice(2)).toEqual(["queued", "queued", "queued"]);
  fleet.nowMs = 6_000;
  fleet.turn({ on: "time" });
  expect(fleet.states().slice(2)).toEqual(["waiting", "waiting", "queued"]);
});

test("a box that is away holds a batch for its patience and no longer, and runs when it comes back", () => {
  const fleet = new Fleet({ ...PLAN, batches: 2 }, [2, 1]);
  fleet.host(0, answered("returned"));
  fleet.nowMs = 59_999;
  fleet.turn({ on: "time" });
  expect(fleet.states()[2]).toBe("queued");
  fleet.nowMs = 60_000;
  fleet.turn({ on: "time" });
  expect(fleet.states()).toEqual(["returned", "waiting", "waiting"]);
  fleet.host(1, answered("returned"));
  fleet.host(2, answered("returned"));
  expect(opStateOf(fleet.job)).toBe("done");
});

test("one failure more than allowed stops what no box was given; what a box may have answers for itself", () => {
  const fleet = new Fleet({ ...PLAN, batches: 2, maxFail: 1 }, [4, 2]);
  fleet.host(0, { on: "offered" });
  fleet.host(1, answered("failed"));
  expect(fleet.job.stop).toBeNull();
  fleet.host(2, answered("refused"));
  expect([fleet.job.stop, fleet.states()]).toEqual(["max_fail", ["delivered", "failed", "refused", "cancelled", "cancelled", "cancelled"]]);
  fleet.host(0, answered("returned"));
  expect(opStateOf(fleet.job)).toBe("failed");
});

test("the rest follows the canaries only when all of them returned", () => {
  for (const as of ["failed", "refused", "busy", "expired", "cancelled"] as const) {
    const fleet = new Fleet({ ...PLAN, batches: 2, canaries: true }, [2, 3]);
    fleet.host(0, answered("returned"));
    fleet.host(1, answered(as));
    expect([as, fleet.job.stop, fleet.states().slice(2)]).toEqual([as, "canary", ["cancelled", "cancelled", "cancelled"]]);
  }
  const away = new Fleet({ ...PLAN, batches: 2, canaries: true }, [1, 1]);
  away.nowMs = 60_000;
  away.turn({ on: "time" });
  expect(away.job.stop).toBe("canary");
  const well = new Fleet({ ...PLAN, batches: 2, canaries: true }, [1, 2]);
  well.host(0, answered("returned"));
  expect(well.states()).toEqual(["returned", "waiting", "waiting"]);
});

test("O08: what is not reached expires with the op, what was given and stays silent is silent when no answer can come", () => {
  const fleet = new Fleet(PLAN, [3]);
  fleet.host(0, { on: "offered" });
  fleet.host(1, answered("returned"));
  fleet.nowMs = HOUR;
  fleet.turn({ on: "time" });
  expect(fleet.states()).toEqual(["delivered", "returned", "expired"]);
  fleet.nowMs = 2 * HOUR;
  fleet.turn({ on: "time" });
  expect([fleet.states(), opStateOf(fleet.job)]).toEqual([["silent", "returned", "expired"], "failed"]);
});

test("a kind that is not kept gives up boxes that are away, batch by batch", () => {
  const fleet = new Fleet({ ...PLAN, batches: 2, dropsAway: true }, [2, 1]);
  fleet.host(0, { on: "offered" });
  fleet.host(0, answered("returned"));
  fleet.nowMs = 60_000;
  fleet.turn({ on: "time" });
  expect(fleet.states()).toEqual(["returned", "silent", "waiting"]);
});

test("the state of an op is read from where its hosts ended", () => {
  const ended = (...ends: Parameters<typeof answered>[0][]) => {
    const fleet = new Fleet(PLAN, [ends.length]);
    for (const [at, as] of ends.entries()) fleet.host(at, answered(as));
    return opStateOf(fleet.job);
  };
  expect(ended("returned", "returned")).toBe("done");
  expect(ended("refused", "refused")).toBe("refused");
  expect(ended("refused", "returned")).toBe("failed");
  expect(ended("busy", "returned")).toBe("failed");
  expect(ended("expired", "returned")).toBe("expired");
  expect(ended("cancelled", "returned")).toBe("cancelled");
});

type Step =
  | { readonly do: "offer" | "part" | "cancel"; readonly host: number }
  | { readonly do: "answer"; readonly host: number; readonly as: Parameters<typeof answered>[0] }
  | { readonly do: "wait"; readonly ms: number };

const host = fc.nat(9);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant("offer" as const), host }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("part" as const), host }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("answer" as const),
      host,
      as: fc.constantFrom("returned", "failed", "refused", "busy", "cancelled", "expired" as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("cancel" as const), host }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.nat(HOUR) }) },
);
const plan = fc.record({ canaries: fc.boolean(), pauseMs: fc.constantFrom(0, 30_000), maxFail: fc.constantFrom(null, 0, 1, 3), dropsAway: fc.boolean() });
const sizes = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 });

test("J04 J08: whatever the order of offers, answers, repeats, cancels and time, each host ends in exactly one state and the counts add up (10 000 interleavings)", () => {
  fc.assert(
    fc.property(plan, sizes, fc.array(step, { maxLength: 60 }), (wish, batches, steps) => {
      const fleet = new Fleet({ ...PLAN, ...wish, canaries: wish.canaries && batches.length > 1, batches: batches.length }, batches);
      for (const one of steps) {
        if (one.do === "wait") {
          fleet.nowMs += one.ms;
          fleet.turn({ on: "time" });
        } else if (one.do === "cancel") fleet.turn({ on: "stopped", because: "cancelled" });
        else if (one.do === "answer") fleet.host(one.host, answered(one.as));
        else fleet.host(one.host, { on: one.do === "offer" ? "offered" : "part" });
      }
      // Liveness: turned when it is due and at no other time, it is over by its last deadline.
      for (let turns = 0; !isOver(fleet.job); turns += 1) {
        expect(turns).toBeLessThan(50);
        fleet.nowMs = Math.max(fleet.nowMs, dueAtOf(fleet.job) ?? 0);
        fleet.turn({ on: "time" });
      }
      expect(fleet.nowMs).toBeLessThanOrEqual(
        Math.max(
          fleet.job.plan.answerByMs,
          steps.reduce((sum, one) => sum + (one.do === "wait" ? one.ms : 0), 0),
        ),
      );
    }),
    { numRuns: 10_000 },
  );
}, 240_000);
