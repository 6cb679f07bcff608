import type { Command } from "../../shared/cli/command.ts";
import { PASSPHRASE_OPTIONS } from "./passphrase-option.ts";

export const commands: readonly Command[] = [
  {
    path: ["login"],
    summary: "Open a session with a hub by a key of the vault",
    examples: [
      { run: "felhom login", shows: "a new session with the hub in use" },
      { run: "felhom login --hub https://hub.example.net --pin PIN --setup-token-file setup-token", shows: "the first time: gives a new hub its fleet" },
      { run: "felhom login --hub https://hub.example.net --join CODE", shows: "a second workstation or operator of a fleet that exists" },
    ],
    args: [],
    options: [
      { name: "hub", value: "URL", summary: "The hub's address; kept as a context" },
      { name: "pin", value: "PIN", many: true, summary: "SHA-256 of the hub's public key, as it prints it; without one the system's authorities decide" },
      { name: "setup-token-file", value: "FILE", summary: "The token that the hub's first start wrote; - reads stdin" },
      { name: "join", value: "CODE", summary: "A join code of the fleet: what this workstation will trust" },
      { name: "fleet", value: "NAME", summary: "Which fleet, when several are known here" },
      ...PASSPHRASE_OPTIONS,
    ],
    mutates: false,
    load: () => import("../commands/login.ts"),
  },
];
