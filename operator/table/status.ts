import type { Command } from "../../shared/cli/command.ts";

export const commands: readonly Command[] = [
  {
    path: ["status"],
    summary: "Show the fleet at a glance",
    examples: [{ run: "felhom status", shows: "hosts, bundle, root, hub, and what needs a look" }],
    args: [],
    options: [],
    mutates: false,
    load: () => import("../commands/status.ts"),
  },
];
