import type { Run } from "../../shared/cli/command.ts";
import { Fault } from "../../shared/core/fault.ts";
import { present } from "../../shared/cli/present.ts";
import { opState } from "../../shared/protocol/api/ops.ts";
import { optionText } from "../core/cli/option-values.ts";
import { readLimit } from "../core/fleet/event-query.ts";
import { opListData, opListText } from "../core/jobs/op-list.ts";
import { readItem } from "../edge/find-op.ts";
import { take } from "../edge/hub-api.ts";
import { listOps } from "../edge/hub-ops.ts";
import { openSession } from "../edge/session.ts";

/** Every op that is not over, drafts and those that wait for signatures too; with --all or --state also the others. */
export const run: Run = async (call) => {
  const session = await openSession(call);
  const asked = optionText(call, "state");
  const known = [...opState.options, "active"];
  const wrong = asked?.split(",").find((word) => !known.some((state) => state === word));
  if (wrong !== undefined) throw new Fault("bad_request", `Cannot filter by the state ${wrong}`, { remedy: `One or more of ${known.join(", ")}.` });
  const state = asked ?? (call.options["all"] === true ? undefined : "active");
  const items = await take(listOps(session.hub, { state, kind: optionText(call, "kind") }), readLimit(optionText(call, "limit")));
  const ops = items.map((item) => ({ item, op: readItem(item, session) }));
  const paper = { nowMs: session.nowMs, terminal: call.terminal, root: session.root, wide: call.globals.output === "wide" };
  const waits = items.find((item) => item.state === "draft" || item.state === "pending");
  present(call, {
    kind: "OpList",
    data: opListData(ops),
    human: () =>
      ops.length === 0 ? (state === undefined ? "  No op yet." : "  Nothing is on its way, and nothing waits for a signature.") : opListText(ops, paper),
    next: waits === undefined ? undefined : "felhom sign pending",
  });
  return 0;
};
