import type { Call, ExitCode } from "../../shared/cli/command.ts";
import { confirm } from "../../shared/cli/confirm.ts";
import { mark } from "../../shared/cli/glyph.ts";
import { present } from "../../shared/cli/present.ts";
import { count } from "../../shared/cli/age.ts";
import { findOp, readItem } from "./find-op.ts";
import { cancelOp } from "./hub-ops.ts";
import { openSession } from "./session.ts";

/**
 * Asks the hub to take an op back. What no box was given ends now; a box that has it is asked, and says itself how it ended. A stolen hub
 * could ignore this: what must not happen any more has to expire.
 */
export async function cancel(call: Call, asked: string): Promise<ExitCode> {
  const session = await openSession(call, { roots: "held" });
  const item = await findOp(session, asked);
  const op = readItem(item, session);
  const open = item.counts.queued + item.counts.waiting + item.counts.delivered + item.counts.running;
  const what = op.ok ? op.value.payload.kind : item.op_id;
  if (!call.globals.dryRun)
    await confirm(
      call,
      item.total === 0 ? `Take back ${what} (${item.op_id}), which nobody runs yet?` : `Take back ${what} (${item.op_id}) from ${count(open, "host")}?`,
    );
  const after = call.globals.dryRun ? item : await cancelOp(session.hub, item.op_id);
  const has = after.counts.delivered + after.counts.running;
  present(call, {
    kind: "Op",
    data: { id: item.op_id, state: after.state, counts: after.counts, total: after.total, dryRun: call.globals.dryRun },
    human: () =>
      call.globals.dryRun
        ? `  Would take back ${item.op_id}`
        : `  ${mark(call.terminal, "off", `${item.op_id} taken back`)}${has === 0 ? "" : `  ${count(has, "box", "boxes")} may be at it and will say how it ended`}`,
    next: has === 0 ? undefined : `felhom job follow ${item.op_id}`,
  });
  return 0;
}
