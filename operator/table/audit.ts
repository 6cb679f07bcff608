import type { Command } from "../../shared/cli/command.ts";

export const commands: readonly Command[] = [
  {
    path: ["audit"],
    summary: "Show who changed what at the hub, from where, the newest last",
    examples: [
      { run: "felhom audit", shows: "the last fifty rows" },
      { run: "felhom audit --limit 10000 -o jsonl > audit.jsonl", shows: "for keeping elsewhere" },
    ],
    args: [],
    options: [{ name: "limit", value: "N", summary: "At most this many", default: "50" }],
    mutates: false,
    load: () => import("../commands/audit-list.ts"),
  },
  {
    path: ["audit", "verify"],
    summary: "Check here that the audit log is whole and continues what was seen last time",
    examples: [{ run: "felhom audit verify", shows: "exit 7 when a row was changed, removed or rewritten" }],
    args: [],
    options: [],
    mutates: false,
    load: () => import("../commands/audit-verify.ts"),
  },
];
