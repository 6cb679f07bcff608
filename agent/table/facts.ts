import type { Command } from "../../shared/cli/command.ts";

export const commands: readonly Command[] = [
  {
    path: ["facts"],
    summary: "Show what this machine says of itself",
    examples: [
      { run: "felhom facts", shows: "every fact by its name, as expressions use it: fact.os.family" },
      { run: "felhom facts --json", shows: "the same as JSON" },
      { run: "felhom facts --metrics", shows: "what changes all the time: load, free space, temperatures" },
    ],
    args: [],
    options: [
      { name: "facts-dir", value: "DIR", many: true, summary: "Where custom facts are (default: /etc/felhom/facts.d)" },
      { name: "metrics", summary: "Show metrics instead" },
    ],
    mutates: false,
    load: () => import("../commands/facts.ts"),
  },
];
