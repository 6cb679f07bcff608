import { ageOf, isoTime } from "../../shared/cli/age.ts";
import type { Run } from "../../shared/cli/command.ts";
import { present } from "../../shared/cli/present.ts";
import { table, type Cell } from "../../shared/cli/table.ts";
import { optionText } from "../core/cli/option-values.ts";
import { readLimit } from "../core/fleet/event-query.ts";
import { listAudit, take } from "../edge/hub-api.ts";
import { openSession } from "../edge/session.ts";

/** Every mutation that the hub took or refused, the newest last. */
export const run: Run = async (call) => {
  const { hub, nowMs, root } = await openSession(call, { roots: "held" });
  const rows = (await take(listAudit(hub), readLimit(optionText(call, "limit")))).toReversed();
  const who = (actor: string): string => {
    const id = actor.startsWith("key:") ? actor.slice(4) : undefined;
    const label = id === undefined ? undefined : root.payload.keys[id]?.label;
    return label === undefined ? actor : `${label} (${id?.slice(0, 8) ?? ""})`;
  };
  present(call, {
    kind: "AuditList",
    data: { items: rows.map((row) => ({ ...row, at: isoTime(row.at) })) },
    human: () =>
      rows.length === 0
        ? "  Nothing was changed yet."
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
              who(row.actor),
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
