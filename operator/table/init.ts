import type { Command } from "../../shared/cli/command.ts";

export const commands: readonly Command[] = [
  {
    path: ["init"],
    summary: "Write a fleet directory to begin with: a working example, explained where it stands",
    examples: [
      { run: "felhom init fleet", shows: "a new directory, ready for felhom check and git init" },
      { run: "felhom init --editor-files", shows: "renews the schemas and types for editors after an update of felhom" },
    ],
    args: [{ name: "dir", summary: "The directory; the current one when left out", required: false }],
    options: [
      { name: "name", value: "NAME", summary: "The fleet's name; the directory's when left out" },
      { name: "editor-files", summary: "Write .felhom/ only, over what is there" },
    ],
    mutates: true,
    load: () => import("../commands/init.ts"),
  },
];
