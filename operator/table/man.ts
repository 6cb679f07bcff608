import type { Command } from "../../shared/cli/command.ts";

export const commands: readonly Command[] = [
  {
    path: ["man"],
    summary: "Print or write manual pages",
    examples: [
      { run: "felhom man host approve | man -l -", shows: "the page of one command" },
      { run: "felhom man --all --dir /usr/local/share/man/man1", shows: "all pages as files" },
    ],
    args: [{ name: "words", summary: "The command, such as host list; felhom's own page when left out", required: false, many: true }],
    options: [
      { name: "all", summary: "Every page" },
      { name: "dir", value: "DIR", summary: "Write files here instead of printing" },
    ],
    mutates: false,
    load: () => import("../commands/man.ts"),
  },
];
