import type { Command } from "../../shared/cli/command.ts";

export const commands: readonly Command[] = [
  {
    path: ["version"],
    summary: "Show the version of this program and the protocol it speaks",
    examples: [
      { run: "felhom version", shows: "one line" },
      { run: "felhom version -o json", shows: "version, protocol, runtime" },
    ],
    args: [],
    options: [],
    mutates: false,
    load: () => import("../commands/version.ts"),
  },
];
