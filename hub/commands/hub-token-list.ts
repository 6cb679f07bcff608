import { ageOf, isoTime, isoTimeOrNull, until } from "../../shared/cli/age.ts";
import type { Run } from "../../shared/cli/command.ts";
import { present } from "../../shared/cli/present.ts";
import { type Column, table } from "../../shared/cli/table.ts";
import { listAllTokens } from "../edge/offline/tokens.ts";
import { existingDataDir } from "./place.ts";

const COLUMNS: readonly Column[] = [
  { title: "TOKEN" },
  { title: "NAME", flex: true },
  { title: "ROLE" },
  { title: "ENDS" },
  { title: "USED", align: "right" },
  { title: "AGE", align: "right", drop: 1 },
];

export const run: Run = async (call) => {
  const rows = listAllTokens(call.world, await existingDataDir(call));
  const nowMs = call.world.clock.wallMs();
  present(call, {
    kind: "ApiTokenList",
    data: {
      items: rows.map((row) => ({
        id: row.token_id,
        name: row.name,
        role: row.role,
        createdAt: isoTime(row.created_at),
        expiresAt: isoTimeOrNull(row.expires_at),
        lastUsedAt: isoTimeOrNull(row.last_used_at),
      })),
    },
    human: () =>
      rows.length === 0
        ? "  No API tokens."
        : table(
            COLUMNS,
            rows.map((row) => [
              row.token_id,
              row.name,
              row.role,
              row.expires_at === null ? "never" : until(row.expires_at, nowMs),
              row.last_used_at === null ? "never" : ageOf(row.last_used_at, nowMs),
              ageOf(row.created_at, nowMs),
            ]),
            call.terminal,
          ),
    next: rows.length === 0 ? "felhom hub token create --name NAME --role viewer" : undefined,
  });
  return 0;
};
