/**
 * One host of one op, as the hub follows it. Each ends in exactly one final state, and every state that is not final has a deadline
 * that the op's job keeps: `queued` and `waiting` end with the op's validity, `delivered` and `running` when no answer can be
 * expected any more.
 *
 * What the hub decides by itself (cancelled, expired) is only what no box can have: before anything is offered the row says
 * `delivered`, on disk. From there on only the box's own answer, or silence, ends it. So hub and box can't say two things.
 */
import type { TargetState } from "../../../shared/protocol/api/ops.ts";
import { unreachable } from "../../../shared/core/assert.ts";

export type FinalTarget = "returned" | "failed" | "refused" | "busy" | "silent" | "expired" | "cancelled";
export type OpenTarget = Exclude<TargetState, FinalTarget>;
/** What a box itself can end as. */
export type AnsweredTarget = Exclude<FinalTarget, "silent">;
/** Why the hub took back what no box had. */
export type Withdrawal = "cancelled" | "replaced" | "max_fail" | "canary";

const OPEN: Readonly<Record<TargetState, boolean>> = {
  queued: true,
  waiting: true,
  delivered: true,
  running: true,
  returned: false,
  failed: false,
  refused: false,
  busy: false,
  silent: false,
  expired: false,
  cancelled: false,
};
export const TARGET_STATES: readonly TargetState[] = [
  "queued",
  "waiting",
  "delivered",
  "running",
  "returned",
  "failed",
  "refused",
  "busy",
  "silent",
  "expired",
  "cancelled",
];
export const isOpenTarget = (state: TargetState): state is OpenTarget => OPEN[state];

export interface Target {
  readonly at: TargetState;
  readonly sinceMs: number;
  readonly code: string | null;
  /** A box's final answer counted, as the state or as `late`: what comes after it is a repeat. */
  readonly answered: boolean;
  readonly late: AnsweredTarget | null;
}

export type TargetEvent =
  /** The pacing let it go. */
  | { readonly on: "released" }
  /** It is about to be given to the box, by whatever carrier. */
  | { readonly on: "offered" }
  /** A signed part came: the box works on it. */
  | { readonly on: "part" }
  | { readonly on: "answered"; readonly as: AnsweredTarget; readonly code: string | null }
  | { readonly on: "withdrawn"; readonly because: Withdrawal }
  /** The box is away and the kind is not kept for later. */
  | { readonly on: "away" }
  /** The op's validity is over. */
  | { readonly on: "ended" }
  /** So is the time in which an answer could come. */
  | { readonly on: "given-up" };

/** The same object when nothing changed. */
export function turnTarget(target: Target, event: TargetEvent, nowMs: number): Target {
  const to = (at: TargetState, code: string | null = null): Target => ({ ...target, at, code, sinceMs: nowMs });
  switch (event.on) {
    case "released":
      return target.at === "queued" ? to("waiting") : target;
    case "offered":
      return target.at === "waiting" ? to("delivered") : target;
    case "part":
      return isOpenTarget(target.at) && target.at !== "running" ? to("running") : target;
    case "answered":
      if (target.answered) return target;
      if (isOpenTarget(target.at)) return { ...to(event.as, event.code), answered: true };
      // Given up before it answered: the state stays as it was told, the answer is kept beside it.
      return { ...target, answered: true, late: event.as };
    case "withdrawn":
      return isHeldBack(target.at) ? to("cancelled", event.because) : target;
    case "away":
      return target.at === "waiting" ? to("silent", "away") : target;
    case "ended":
      return isHeldBack(target.at) ? to("expired") : target;
    case "given-up":
      return target.at === "delivered" || target.at === "running" ? to("silent", "no_answer") : target;
    default:
      return unreachable(event);
  }
}

/** No box can have it. */
const isHeldBack = (state: TargetState): boolean => state === "queued" || state === "waiting";
