import type { Command } from "../../shared/cli/command.ts";

export const commands: readonly Command[] = [
  {
    path: ["check"],
    summary: "Validate a fleet directory whole, without a hub, and name the place of every fault",
    examples: [
      { run: "felhom check", shows: "the directory you are in" },
      { run: "felhom check fleet -o json", shows: "for an editor or CI; exit 2 when something is wrong" },
    ],
    args: [{ name: "dir", summary: "The fleet directory; the current one when left out", required: false }],
    options: [],
    mutates: false,
    load: () => import("../commands/check.ts"),
  },
];
