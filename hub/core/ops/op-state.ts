/**
 * An op before it has its hosts: drafted, then collecting signatures until its class's threshold is met, or until its validity is
 * over. After that it is a job (`job.ts`) and its state is read from where its hosts stand.
 */
import { unreachable } from "../../../shared/core/assert.ts";
import type { OpState } from "../../../shared/protocol/api/ops.ts";

/** Ops that are not over, in all: a flood of them is refused before it reaches a box. */
export const OPEN_OPS_MAX = 10_000;

export interface Collecting {
  readonly at: "draft" | "pending";
  readonly expiresAtMs: number;
}

export type CollectingEvent =
  /** Signatures that count for its class were looked at against the root in force. */
  { readonly on: "counted"; readonly signers: number; readonly threshold: number } | { readonly on: "cancelled" } | { readonly on: "time" };

export type CollectingTurn =
  | { readonly is: "collecting"; readonly state: Collecting }
  /** To be given its hosts. */
  | { readonly is: "accepted" }
  | { readonly is: "over"; readonly state: Extract<OpState, "cancelled" | "expired"> };

export function turnCollecting(state: Collecting, event: CollectingEvent, nowMs: number): CollectingTurn {
  if (nowMs >= state.expiresAtMs) return { is: "over", state: "expired" };
  switch (event.on) {
    case "counted":
      if (event.signers >= event.threshold) return { is: "accepted" };
      return { is: "collecting", state: { ...state, at: event.signers > 0 ? "pending" : "draft" } };
    case "cancelled":
      return { is: "over", state: "cancelled" };
    case "time":
      return { is: "collecting", state };
    default:
      return unreachable(event);
  }
}

const FINAL: Readonly<Record<OpState, boolean>> = {
  draft: false,
  pending: false,
  signed: false,
  delivered: false,
  running: false,
  done: true,
  failed: true,
  refused: true,
  expired: true,
  cancelled: true,
};
export const OP_STATES: readonly OpState[] = ["draft", "pending", "signed", "delivered", "running", "done", "failed", "refused", "expired", "cancelled"];
export const isFinalOp = (state: OpState): boolean => FINAL[state];
/** It waits for people, not for boxes. */
export const isCollecting = (state: OpState): state is Collecting["at"] => state === "draft" || state === "pending";
