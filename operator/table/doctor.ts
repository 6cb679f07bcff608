import type { Command } from "../../shared/cli/command.ts";

export const commands: readonly Command[] = [
  {
    path: ["doctor"],
    summary: "Look for what is wrong with the hub or the way to it",
    examples: [
      { run: "felhom doctor --hub", shows: "vault, root, TLS, session, clocks, the hub's own checks, backup, bundle" },
      { run: "felhom doctor --hub -o json", shows: "the same for a monitoring script; exit 1 when something is wrong" },
    ],
    args: [],
    options: [{ name: "hub", summary: "Look at the hub, even on a box" }],
    mutates: false,
    load: () => import("../commands/doctor.ts"),
  },
];
