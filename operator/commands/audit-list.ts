import { ageOf, isoTime } from "../../shared/cli/age.ts";
import type { Run } from "../../shared/cli/command.ts";
import { present } from "../../shared/cli/present.ts";
import { table, type Cell } from "../../shared/cli/table.ts";
import { optionText } from "../core/cli/option-values.ts";
import { auditData } from "../core/fleet/audit-data.ts";
import { EVENTS_SHOWN, LIMIT_MAX, readLimit, readSince } from "../core/fleet/event-query.ts";
import { actorText } from "../core/trust/actor-text.ts";
import { listAudit, takeSince } from "../edge/hub-api.ts";
import { openSession } from "../edge/session.ts";

/** Every mutation that the hub took or refused, the newest last. */
export const run: Run = async (call) => {
  const { hub, nowMs, root } = await openSession(call, { roots: "held" });
  const sinceMs = readSince(optionText(call, "since"), nowMs);
  const limit = readLimit(optionText(call, "limit"), sinceMs === undefined ? EVENTS_SHOWN : LIMIT_MAX);
  const rows = (await takeSince(listAudit(hub), sinceMs, limit)).toReversed();
  present(call, {
    kind: "AuditList",
    data: { items: rows.map((row) => ({ ...row, at: isoTime(row.at), data: auditData(row.data) })) },
    human: () =>
      rows.length === 0
        ? `  Nothing was changed ${sinceMs === undefined ? "yet" : `since ${isoTime(sinceMs)}`}.`
        : table(
            [
              { title: "SEQ", align: "right" },
              { title: "AGE", align: "right" },
              { title: "WHO", flex: true, least: 12 },
              { title: "FROM", drop: 2 },
              { title: "ACTION" },
              { title: "TARGET", flex: true, least: 18 },
              { title: "OUTCOME" },
              { title: "DATA", flex: true, least: 16, drop: 1 },
            ],
            rows.map((row): readonly Cell[] => [
              row.seq,
              ageOf(row.at, nowMs),
              actorText(row.actor, root.payload),
              row.from,
              row.action,
              row.target.replace(/^([0-9a-f]{16})[0-9a-f]{48}$/, "$1"),
              { text: row.outcome, style: row.outcome === "done" ? "plain" : "bad" },
              row.data === "{}" ? "" : row.data,
            ]),
            call.terminal,
          ),
    next: "felhom audit verify",
  });
  return 0;
};
