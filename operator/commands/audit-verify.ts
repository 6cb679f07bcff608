import type { Run } from "../../shared/cli/command.ts";
import { count } from "../../shared/cli/age.ts";
import { mark } from "../../shared/cli/glyph.ts";
import { present } from "../../shared/cli/present.ts";
import type { AuditAnchor } from "../../shared/core/audit-chain.ts";
import { argText } from "../core/cli/option-values.ts";
import { checkAudit, type AuditCheck } from "../core/fleet/audit-check.ts";
import { readAuditHead, writeAuditHead } from "../edge/audit-head.ts";
import { listAudit, take, verifyAudit } from "../edge/hub-api.ts";
import { openSession } from "../edge/session.ts";

/** Walks the whole chain here and compares it with the head that was verified last time. Exit 7 when it does not hold. */
export const run: Run = async (call) => {
  const host = argText(call, "host");
  if (host !== "") return (await import("../edge/verify-op-log.ts")).verifyHostLog(call, host);
  const { hub, root } = await openSession(call);
  const fleetId = root.payload.fleet_id;
  const { anchor } = await verifyAudit(hub);
  // Rows written meanwhile only lengthen the chain; rows pruned meanwhile are below the anchor.
  const rows = (await take(listAudit(hub))).filter(({ seq }) => seq > anchor.seq).toReversed();
  const remembered = readAuditHead(call.world.files, call.globals.home, fleetId);
  const check = checkAudit({ anchor, rows, remembered });
  if (check.is === "whole" && !call.globals.dryRun) writeAuditHead(call.world, call.globals.home, fleetId, check.head);
  present(call, {
    kind: "AuditVerification",
    data: { whole: check.is === "whole", anchor, remembered: remembered ?? null, check },
    human: () => `  ${sentence(check, anchor, call.terminal)}`,
    next: check.is === "whole" ? undefined : "felhom audit --limit 200",
  });
  return check.is === "whole" ? 0 : 7;
};

function sentence(check: AuditCheck, anchor: AuditAnchor, terminal: Parameters<typeof mark>[0]): string {
  switch (check.is) {
    case "whole": {
      const pruned = anchor.seq === 0 ? "from the first one on" : `from ${anchor.seq + 1} on; older ones were pruned`;
      const since = check.since === undefined ? "This is the first look from this workstation." : `It continues what was seen here at ${check.since.seq}.`;
      return `${mark(terminal, "good", `${count(check.rows, "row")} whole`)}, ${pruned}. Head ${check.head.seq} ${check.head.hash.slice(0, 16)}. ${since}`;
    }
    case "broken":
      return `${mark(terminal, "bad", `broken at ${check.atSeq}`)}: ${check.because === "gap" ? "a row is missing before it" : "this row or the one before it was changed"}`;
    case "rewritten":
      return `${mark(terminal, "bad", `rewritten`)}: row ${check.atSeq} is not the one that was verified here before`;
    case "shortened":
      return `${mark(terminal, "bad", "shortened")}: it ends at ${check.headSeq}, but row ${check.remembered.seq} was verified here before. A hub that was restored from a backup looks like this too: felhom event list --kind hub.restored`;
  }
}
