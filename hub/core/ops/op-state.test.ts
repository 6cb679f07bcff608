import { expect, test } from "bun:test";
import { isCollecting, isFinalOp, OP_STATES, turnCollecting } from "./op-state.ts";

const draft = { at: "draft", expiresAtMs: 100 } as const;

test("signatures are collected until the threshold, and not after the op's validity", () => {
  const counted = (signers: number, nowMs = 1) => turnCollecting(draft, { on: "counted", signers, threshold: 2 }, nowMs);
  expect(counted(0)).toEqual({ is: "collecting", state: draft });
  expect(counted(1)).toEqual({ is: "collecting", state: { at: "pending", expiresAtMs: 100 } });
  expect(counted(2)).toEqual({ is: "accepted" });
  expect(counted(2, 100)).toEqual({ is: "over", state: "expired" });
});

test("a draft that nobody signs expires; one that is cancelled is over", () => {
  expect(turnCollecting(draft, { on: "time" }, 99)).toEqual({ is: "collecting", state: draft });
  expect(turnCollecting(draft, { on: "time" }, 100)).toEqual({ is: "over", state: "expired" });
  expect(turnCollecting(draft, { on: "cancelled" }, 1)).toEqual({ is: "over", state: "cancelled" });
});

test("every state is one of: waiting for people, waiting for boxes, final", () => {
  expect(OP_STATES.filter(isCollecting)).toEqual(["draft", "pending"]);
  expect(OP_STATES.filter(isFinalOp)).toEqual(["done", "failed", "refused", "expired", "cancelled"]);
});
