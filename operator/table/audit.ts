import type { Command } from "../../shared/cli/command.ts";
import { SINCE } from "./since-option.ts";

export const commands: readonly Command[] = [
  {
    path: ["audit"],
    summary: "Show who changed what at the hub, from where, the newest last",
    examples: [
      { run: "felhom audit", shows: "the last fifty rows" },
      { run: "felhom audit --since 3d", shows: "everything of the last three days" },
      { run: "felhom audit --limit 10000 -o jsonl > audit.jsonl", shows: "for keeping elsewhere" },
    ],
    args: [],
    options: [{ name: "limit", value: "N", summary: "At most this many: 50 without --since" }, SINCE],
    mutates: false,
    load: () => import("../commands/audit-list.ts"),
  },
  {
    path: ["audit", "verify"],
    summary: "Check here that the hub's audit log, or a host's own log of ops, is whole and continues what was seen last time",
    examples: [
      { run: "felhom audit verify", shows: "exit 7 when a row was changed, removed or rewritten" },
      { run: "felhom audit verify kovacs-1", shows: "the hub's copy of what this box ran and refused, against what the box signed" },
    ],
    args: [{ name: "host", summary: "This host's log of ops instead of the hub's audit log", required: false }],
    options: [],
    mutates: false,
    load: () => import("../commands/audit-verify.ts"),
  },
];
