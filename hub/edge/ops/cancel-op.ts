import { jobOf, type OpRow, finishOp, storeCancelled } from "../store/ops.ts";
import { openTargets } from "../store/op-targets.ts";
import type { Hub } from "../hub.ts";
import { appendEvent } from "../store/events.ts";
import type { Tx } from "../store/store.ts";
import { runJob } from "./run-job.ts";

/** As many as an op has hosts. */
const TARGETS_MAX = 100_000;

/**
 * Inside a transaction, for an op that is not over. What no box was given ends as cancelled; a box that may have it is asked, and what
 * it answers stands: it may have been done before the question came.
 */
export function cancelOp(hub: Hub, tx: Tx, row: OpRow, by: string, nowMs: number): void {
  storeCancelled(tx.db, row.op_seq, by);
  const job = jobOf(row);
  if (job === undefined) {
    finishOp(tx.db, row.op_seq, "cancelled", nowMs);
    appendEvent(tx.db, { at: nowMs, kind: "op.finished", data: { op_id: row.op_id, op: row.kind, state: "cancelled" } });
    tx.afterCommit(() => hub.jobs.finished(row.op_id));
    tx.afterCommit(() => hub.jobs.changed(row.op_id));
    return;
  }
  runJob({ hub, tx, row, nowMs }, job, [{ on: "stopped", because: "cancelled" }]);
  for (const { host_id } of openTargets(tx.db, row.op_seq, ["delivered", "running"], undefined, TARGETS_MAX)) {
    tx.afterCommit(() => hub.jobs.askBack(host_id, row.op_seq));
  }
}
