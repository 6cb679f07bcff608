import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { BORN, type Life, type LifeEffect, type LifeEvent, RESUMES_MAX, turn } from "./life.ts";

const ended = (as: "done" | "failed", wasKilled = false): LifeEvent => ({ on: "ended", as, code: undefined, wasKilled });
const found = (idempotent: boolean, hasExpired = false): LifeEvent => ({ on: "found", idempotent, hasExpired });
const START: LifeEvent = { on: "turn", refusal: undefined };

function live(...events: readonly LifeEvent[]): { readonly life: Life; readonly runs: readonly LifeEffect["run"][] } {
  let life = BORN;
  const runs: LifeEffect["run"][] = [];
  for (const event of events) {
    const next = turn(life, event);
    life = next.life;
    runs.push(...next.effects.map(({ run }) => run));
  }
  return { life, runs };
}
const endOf = (...events: readonly LifeEvent[]): string => {
  const { life } = live(...events);
  return life.at === "over" ? `${life.as} ${life.code ?? ""}`.trim() : life.at;
};

describe("how an op ends", () => {
  const CANCEL: LifeEvent = { on: "cancel" };
  const LATE: LifeEvent = { on: "time-out" };
  const STOP: LifeEvent = { on: "stop" };
  const table: readonly [string, readonly LifeEvent[], string][] = [
    ["it runs and is done", [START, ended("done")], "done"],
    ["it runs and fails", [START, ended("failed")], "failed"],
    ["it is refused at its turn", [{ on: "turn", refusal: "op_policy" }], "refused op_policy"],
    ["it has expired at its turn", [{ on: "turn", refusal: "expired" }], "expired expired"],
    ["it is cancelled while it waits", [CANCEL, START, ended("done")], "cancelled"],
    ["it is cancelled and killed", [START, CANCEL, ended("failed", true)], "cancelled"],
    ["it is cancelled, and comes to its own end before that", [START, CANCEL, ended("done")], "done"],
    ["a cancel comes when it is over", [START, ended("done"), CANCEL], "done"],
    ["it runs out of time", [START, LATE, ended("failed", true)], "failed timed_out"],
    ["the first reason to end it is told", [START, LATE, CANCEL, ended("failed", true)], "failed timed_out"],
    ["the agent stops", [START, STOP, ended("failed", true)], "interrupted agent_stopping"],
    ["the agent stops while it waits", [STOP], "admitted"],
    ["a crash finds it waiting", [found(false)], "admitted"],
    ["a crash finds it waiting and expired", [found(false, true)], "expired expired"],
    ["a crash finds it running", [START, found(false)], "interrupted agent_ended"],
    ["a crash finds it running, and it may be done twice", [START, found(true)], "admitted"],
    ["it may be done twice, and has expired", [START, found(true, true)], "interrupted agent_ended"],
    [
      "J10: it may be done twice, and ends the agent each time",
      Array.from({ length: RESUMES_MAX + 1 }, () => [START, found(true)]).flat(),
      "interrupted agent_ended",
    ],
  ];
  for (const [name, events, end] of table) test(`${name}: ${end}`, () => expect(endOf(...events)).toBe(end));
});

const anyEvent: fc.Arbitrary<LifeEvent> = fc.oneof(
  fc.record({ on: fc.constant("turn" as const), refusal: fc.constantFrom(undefined, undefined, "expired", "op_policy") }),
  fc.constantFrom<LifeEvent>({ on: "cancel" }, { on: "time-out" }, { on: "stop" }),
  fc.record({
    on: fc.constant("ended" as const),
    as: fc.constantFrom("done" as const, "failed" as const),
    code: fc.constant(undefined),
    wasKilled: fc.boolean(),
  }),
  fc.record({ on: fc.constant("found" as const), idempotent: fc.constant(false), hasExpired: fc.boolean() }),
);

test("J08: 10 000 interleavings of start, cancel, time-out, stop, crash and end: one answer at most, one start at most, and over stays over", () => {
  fc.assert(
    fc.property(fc.array(anyEvent, { maxLength: 12 }), (events) => {
      let life = BORN;
      let starts = 0;
      let answers = 0;
      for (const event of events) {
        const before = life;
        const next = turn(life, event);
        life = next.life;
        starts += next.effects.filter(({ run }) => run === "start").length;
        answers += next.effects.filter(({ run }) => run === "answer").length;
        if (before.at === "over") expect(next).toEqual({ life: before, effects: [] });
        expect(answers).toBe(life.at === "over" ? 1 : 0);
      }
      expect(starts).toBeLessThanOrEqual(1);
    }),
    { numRuns: 10_000 },
  );
});

test("an op that may be done twice starts at most as often as it was found, plus one, and within its bound", () => {
  const event = fc.oneof(anyEvent, fc.constant<LifeEvent>(found(true)), fc.constant<LifeEvent>(START));
  fc.assert(
    fc.property(fc.array(event, { maxLength: 40 }), (events) => {
      expect(live(...events).runs.filter((run) => run === "start").length).toBeLessThanOrEqual(RESUMES_MAX + 1);
    }),
  );
});
