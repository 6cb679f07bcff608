/**
 * One op on one box, from its row in the ledger to its one final answer. Total and pure: the edge writes each new state down before
 * it performs the effects. However a cancel, a time limit, a stop of the agent, a crash and the end of the program interleave,
 * `over` is reached once and never left, and `start` is told at most once – twice only for a kind that says it is idempotent.
 */
import { unreachable } from "../../../shared/core/assert.ts";

/** Final states, as a return names them. */
export type Final = "done" | "failed" | "refused" | "busy" | "interrupted" | "cancelled" | "expired";
export type OpStateName = "admitted" | "running" | Final;
export type Halt = "cancelled" | "timed_out" | "agent_stopping";

/** Resumptions of an idempotent op: one that crashes the agent each time must not do so for ever. */
export const RESUMES_MAX = 3;

export type Life =
  | { readonly at: "admitted"; readonly resumes: number }
  | { readonly at: "running"; readonly resumes: number; readonly halt: Halt | undefined }
  | { readonly at: "over"; readonly as: Final; readonly code: string | undefined };

export type LifeEvent =
  /** Its turn in the queue; `refusal` is what a second look at it says now. */
  | { readonly on: "turn"; readonly refusal: string | undefined }
  | { readonly on: "cancel" }
  | { readonly on: "time-out" }
  | { readonly on: "stop" }
  /** The executor is through. `wasKilled`: it did not come to its own end. */
  | { readonly on: "ended"; readonly as: "done" | "failed"; readonly code: string | undefined; readonly wasKilled: boolean }
  /** The agent began anew and found this row. `hasExpired`: its time is over meanwhile. */
  | { readonly on: "found"; readonly idempotent: boolean; readonly hasExpired: boolean };

export type LifeEffect = { readonly run: "start" } | { readonly run: "kill" } | { readonly run: "queue" } | { readonly run: "answer" };
export interface LifeTurn {
  readonly life: Life;
  readonly effects: readonly LifeEffect[];
}

export const BORN: Life = { at: "admitted", resumes: 0 };

export function turn(life: Life, event: LifeEvent): LifeTurn {
  switch (life.at) {
    case "admitted":
      return waiting(life, event);
    case "running":
      return running(life, event);
    case "over":
      return { life, effects: [] };
    default:
      return unreachable(life);
  }
}

function waiting(life: Extract<Life, { readonly at: "admitted" }>, event: LifeEvent): LifeTurn {
  switch (event.on) {
    case "turn":
      if (event.refusal === undefined) return { life: { at: "running", resumes: life.resumes, halt: undefined }, effects: [{ run: "start" }] };
      return over(event.refusal === "expired" ? "expired" : "refused", event.refusal);
    case "cancel":
      return over("cancelled", undefined);
    case "found":
      return event.hasExpired ? over("expired", "expired") : { life, effects: [{ run: "queue" }] };
    case "stop":
    case "time-out":
    case "ended":
      return { life, effects: [] };
    default:
      return unreachable(event);
  }
}

function running(life: Extract<Life, { readonly at: "running" }>, event: LifeEvent): LifeTurn {
  switch (event.on) {
    case "cancel":
      return halt(life, "cancelled");
    case "time-out":
      return halt(life, "timed_out");
    case "stop":
      return halt(life, "agent_stopping");
    case "ended":
      return ended(life, event);
    case "found":
      return found(life, event);
    case "turn":
      return { life, effects: [] };
    default:
      return unreachable(event);
  }
}

/** The first reason to end it is the one that is told. */
function halt(life: Extract<Life, { readonly at: "running" }>, why: Halt): LifeTurn {
  return life.halt === undefined ? { life: { ...life, halt: why }, effects: [{ run: "kill" }] } : { life, effects: [] };
}

/** What came to its own end is told as it ended, even when a cancel was on its way: the effect is there. */
function ended(life: Extract<Life, { readonly at: "running" }>, event: Extract<LifeEvent, { readonly on: "ended" }>): LifeTurn {
  if (!event.wasKilled || life.halt === undefined) return over(event.as, event.code);
  switch (life.halt) {
    case "cancelled":
      return over("cancelled", undefined);
    case "timed_out":
      return over("failed", "timed_out");
    case "agent_stopping":
      return over("interrupted", "agent_stopping");
    default:
      return unreachable(life.halt);
  }
}

/** A crash lies between the record of the start and its end: nobody knows how far it came. Only what may be done twice is done again. */
function found(life: Extract<Life, { readonly at: "running" }>, event: Extract<LifeEvent, { readonly on: "found" }>): LifeTurn {
  if (!event.idempotent || event.hasExpired || life.resumes >= RESUMES_MAX) return over("interrupted", "agent_ended");
  return { life: { at: "admitted", resumes: life.resumes + 1 }, effects: [{ run: "queue" }] };
}

function over(as: Final, code: string | undefined): LifeTurn {
  return { life: { at: "over", as, code }, effects: [{ run: "answer" }] };
}
