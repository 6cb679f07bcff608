import { expect, test } from "bun:test";
import type { TargetState } from "../../../shared/protocol/api/ops.ts";
import { isOpenTarget, type Target, TARGET_STATES, type TargetEvent, turnTarget } from "./target-state.ts";

const at = (state: TargetState): Target => ({ at: state, sinceMs: 1, code: null, answered: false, late: null });

/** From every open state, by event: where it goes; what is not named stays. */
const TABLE: Readonly<Record<string, { readonly event: TargetEvent; readonly to: Partial<Record<TargetState, TargetState>> }>> = {
  released: { event: { on: "released" }, to: { queued: "waiting" } },
  offered: { event: { on: "offered" }, to: { waiting: "delivered" } },
  part: { event: { on: "part" }, to: { queued: "running", waiting: "running", delivered: "running" } },
  done: { event: { on: "answered", as: "returned", code: null }, to: { queued: "returned", waiting: "returned", delivered: "returned", running: "returned" } },
  busy: { event: { on: "answered", as: "busy", code: null }, to: { queued: "busy", waiting: "busy", delivered: "busy", running: "busy" } },
  withdrawn: { event: { on: "withdrawn", because: "cancelled" }, to: { queued: "cancelled", waiting: "cancelled" } },
  away: { event: { on: "away" }, to: { waiting: "silent" } },
  ended: { event: { on: "ended" }, to: { queued: "expired", waiting: "expired" } },
  "given up": { event: { on: "given-up" }, to: { delivered: "silent", running: "silent" } },
};

for (const [name, { event, to }] of Object.entries(TABLE)) {
  test(`${name}: every state goes where the table says, and a final one goes nowhere`, () => {
    for (const state of TARGET_STATES) expect([state, turnTarget(at(state), event, 2).at]).toEqual([state, to[state] ?? state]);
  });
}

test("the hub never calls cancelled or expired what a box may have", () => {
  for (const state of ["delivered", "running"] as const) {
    for (const event of [{ on: "withdrawn", because: "cancelled" }, { on: "ended" }] as const) expect(turnTarget(at(state), event, 2)).toEqual(at(state));
  }
});

test("a final answer after the hub gave up is kept beside the state, once", () => {
  const silent = turnTarget(at("delivered"), { on: "given-up" }, 2);
  const late = turnTarget(silent, { on: "answered", as: "returned", code: null }, 3);
  expect([late.at, late.late, late.sinceMs, late.code]).toEqual(["silent", "returned", 2, "no_answer"]);
  expect(turnTarget(late, { on: "answered", as: "failed", code: "x" }, 4)).toBe(late);
  const done = turnTarget(at("running"), { on: "answered", as: "returned", code: null }, 2);
  expect(turnTarget(done, { on: "answered", as: "failed", code: "x" }, 3)).toBe(done);
});

test("an event that changes nothing gives the same object", () => {
  for (const state of TARGET_STATES) {
    const target = { ...at(state), answered: !isOpenTarget(state) };
    for (const { event } of Object.values(TABLE)) {
      const after = turnTarget(target, event, 2);
      if (after.at === target.at) expect(after).toBe(target);
    }
  }
});
