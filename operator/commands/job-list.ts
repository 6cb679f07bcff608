import type { Run } from "../../shared/cli/command.ts";
import { present } from "../../shared/cli/present.ts";
import { optionText } from "../core/cli/option-values.ts";
import { readLimit } from "../core/fleet/event-query.ts";
import { opListData, opListText } from "../core/jobs/op-list.ts";
import { readItem } from "../edge/find-op.ts";
import { take } from "../edge/hub-api.ts";
import { listOps } from "../edge/hub-ops.ts";
import { openSession } from "../edge/session.ts";

const SENT = "signed,delivered,running,done,failed,refused,expired,cancelled";

/** Ops that were sent, the newest first. What each does is read from its signed bytes. */
export const run: Run = async (call) => {
  const session = await openSession(call);
  const state = call.options["active"] === true ? "signed,delivered,running" : SENT;
  const items = await take(listOps(session.hub, { state, kind: optionText(call, "kind") }), readLimit(optionText(call, "limit")));
  const ops = items.map((item) => ({ item, op: readItem(item, session) }));
  const paper = { nowMs: session.nowMs, terminal: call.terminal, root: session.root, wide: call.globals.output === "wide" };
  const first = items.find(({ total }) => total > 0);
  present(call, {
    kind: "JobList",
    data: opListData(ops),
    human: () => (ops.length === 0 ? "  No job yet." : opListText(ops, paper)),
    next: first === undefined ? "felhom run HOST ping" : `felhom job results ${first.op_id}`,
  });
  return 0;
};
