/**
 * No effect of an op happens twice on a host, none without an operator's signature, none on a host that was not meant: counted at the
 * instant it begins, outside of every machine, whatever is killed, replayed, rewritten or lost.
 */
import type { Checker, View } from "./checker.ts";

export function opsAtMostOnce(): Checker {
  return {
    name: "ops-at-most-once",
    afterBox: (view, _box, report) => {
      const { ops } = view.truth;
      for (const { machine, label, times } of ops.fresh.splice(0)) {
        const op = ops.byLabel.get(label);
        if (op === undefined) report(`${machine} ran ${label}, which no operator signed`);
        else if (times > 1) report(`${machine} ran ${op.payload.id} ${times} times`);
        else if (!isMeant(view, machine, op.payload.target)) report(`${machine} ran ${op.payload.id}, which was not aimed at it`);
      }
    },
  };
}

function isMeant({ boxes }: View, machine: string, target: object): boolean {
  if (!("expr" in target)) return false;
  const hostId = boxes.find((box) => box.machine.name === machine)?.hostId();
  return target.expr === "true" || (hostId !== undefined && target.expr === `host.id in ["${hostId}"]`);
}
