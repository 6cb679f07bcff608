import type { Command } from "../../shared/cli/command.ts";

export const commands: readonly Command[] = [
  {
    path: ["plan"],
    summary: "Show what publishing a fleet directory would change, and where",
    examples: [
      { run: "felhom plan", shows: "this directory against what is in force on every host" },
      { run: "felhom plan fleet 'web-*'", shows: "for hosts whose name matches" },
      { run: "felhom plan fleet \"label.site == 'gyor'\" --exit-code", shows: "for hosts by label or fact; exit 3 when something would change" },
    ],
    args: [
      { name: "dir", summary: "The fleet directory; the current one when left out", required: false },
      { name: "target", summary: "A host's name, a glob, or an expression over label.*, fact.* and host.name", required: false },
    ],
    options: [
      { name: "except", value: "GLOB", summary: "Leave out hosts whose name matches" },
      { name: "exit-code", summary: "Exit 3 when something would change" },
    ],
    mutates: false,
    load: () => import("../commands/plan.ts"),
  },
];
