import type { Run } from "../../shared/cli/command.ts";
import { ageOf, isoTime, until } from "../../shared/cli/age.ts";
import { markCell } from "../../shared/cli/glyph.ts";
import { present } from "../../shared/cli/present.ts";
import type { Column } from "../../shared/cli/table.ts";
import { table } from "../../shared/cli/table.ts";
import { verifyGrant } from "../../shared/trust/host-identity.ts";
import { labelsText } from "../core/fleet/host-summary.ts";
import { unverifiedText } from "../core/fleet/verified-host.ts";
import { listGrants, take } from "../edge/hub-api.ts";
import { openSession } from "../edge/session.ts";

const LIST_MAX = 10_000;
const COLUMNS: readonly Column[] = [
  { title: "GRANT" },
  { title: "STATE", flex: true, least: 10 },
  { title: "USED", align: "right" },
  { title: "LABELS", flex: true },
  { title: "ENDS" },
  { title: "AGE", align: "right", drop: 1 },
];

/** Labels, uses and times are those that were signed; how often it was used, and whether it is revoked, is the hub's word. */
export const run: Run = async (call) => {
  const { hub, root, nowMs } = await openSession(call);
  const rows = (await take(listGrants(hub), LIST_MAX)).map((item) => ({ item, grant: verifyGrant(item.envelope, root) }));
  const stateOf = ({ item, grant }: (typeof rows)[number]): string =>
    !grant.ok
      ? unverifiedText(grant)
      : item.revoked
        ? "revoked"
        : nowMs >= grant.value.expires_at
          ? "expired"
          : item.used >= grant.value.uses
            ? "used up"
            : "open";
  const items = rows.map((row) => {
    const { item, grant } = row;
    const signed = grant.ok
      ? { labels: grant.value.labels, uses: grant.value.uses, createdAt: isoTime(grant.value.created_at), expiresAt: isoTime(grant.value.expires_at) }
      : { refusal: grant.refusal };
    return { id: item.grant_id, state: grant.ok ? stateOf(row) : "unverified", used: item.used, revoked: item.revoked, ...signed };
  });
  present(call, {
    kind: "GrantList",
    data: { items },
    human: () =>
      rows.length === 0
        ? "  No grants."
        : table(
            COLUMNS,
            rows.map((row) => {
              const state = stateOf(row);
              const cell = markCell(call.terminal, state === "open" ? "good" : row.grant.ok ? "off" : "bad", state);
              return row.grant.ok
                ? [
                    row.item.grant_id,
                    cell,
                    `${row.item.used}/${row.grant.value.uses}`,
                    labelsText(row.grant.value.labels),
                    until(row.grant.value.expires_at, nowMs),
                    ageOf(row.grant.value.created_at, nowMs),
                  ]
                : [row.item.grant_id, cell, `${row.item.used}/?`, null, null, null];
            }),
            call.terminal,
          ),
    next: rows.length === 0 ? "felhom grant create" : undefined,
  });
  return 0;
};
