import type { Command } from "../../shared/cli/command.ts";

const CONFIG = { name: "config", value: "FILE", summary: "Another settings file than the role's usual one" } as const;

export const commands: readonly Command[] = [
  {
    path: ["config", "print"],
    summary: "Show every setting, its value, and where the value comes from",
    examples: [
      { run: "felhom config print hub", shows: "what felhom hub would start with here" },
      { run: "felhom config print --changed", shows: "only what differs from the defaults" },
    ],
    args: [{ name: "role", summary: "agent, watchdog or hub; all when left out", required: false }],
    options: [{ name: "changed", summary: "Only settings that have not their default" }, CONFIG],
    mutates: false,
    load: () => import("../commands/config-print.ts"),
  },
  {
    path: ["config", "explain"],
    summary: "Explain one setting: what it does, which layer won, how to set it",
    examples: [{ run: "felhom config explain sync_wait_ms", shows: "flag > environment > file > default" }],
    args: [{ name: "key", summary: "The setting, as in the file, as a flag or as a variable", required: true }],
    options: [{ name: "role", value: "ROLE", summary: "Only of this role" }, CONFIG],
    mutates: false,
    load: () => import("../commands/config-explain.ts"),
  },
];
