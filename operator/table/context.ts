import type { Command } from "../../shared/cli/command.ts";

export const commands: readonly Command[] = [
  {
    path: ["context", "list"],
    summary: "Show the hubs that this workstation knows",
    examples: [{ run: "felhom context list", shows: "name, hub, fleet, session; the one in use is marked" }],
    args: [],
    options: [],
    mutates: false,
    load: () => import("../commands/context-list.ts"),
  },
  {
    path: ["context", "use"],
    summary: "Choose the hub that commands talk to",
    examples: [{ run: "felhom context use home", shows: "from now on; --context NAME is for one command" }],
    args: [{ name: "name", summary: "The context's name", required: true }],
    options: [],
    mutates: false,
    load: () => import("../commands/context-use.ts"),
  },
  {
    path: ["context", "add"],
    summary: "Add a hub for a fleet that this workstation knows, without logging in",
    examples: [{ run: "felhom context add home --hub https://hub.example.net --pin PIN", shows: "another address or another hub of the fleet" }],
    args: [{ name: "name", summary: "What to call it", required: true }],
    options: [
      { name: "hub", value: "URL", required: true, summary: "The hub's address" },
      { name: "pin", value: "PIN", many: true, summary: "SHA-256 of the hub's public key" },
      { name: "fleet", value: "NAME", summary: "Which fleet, when several are known here" },
    ],
    mutates: false,
    load: () => import("../commands/context-add.ts"),
  },
];
