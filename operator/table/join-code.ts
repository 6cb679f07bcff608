import type { Command } from "../../shared/cli/command.ts";
import { PASSPHRASE_OPTIONS } from "./passphrase-option.ts";

export const commands: readonly Command[] = [
  {
    path: ["join-code"],
    summary: "Print the one string that a box needs to join the fleet",
    examples: [
      { run: "felhom join-code", shows: "fleet, root and hub key in one string; no secret inside" },
      { run: "felhom join-code --grant g-4kq2m7xa", shows: "with the grant's token: enrolls without a person" },
      { run: "felhom join-code --json", shows: "the code and what is in it" },
    ],
    args: [],
    options: [{ name: "grant", value: "GRANT", summary: "Put this grant's token in" }, ...PASSPHRASE_OPTIONS.slice(0, 1)],
    mutates: false,
    load: () => import("../commands/join-code.ts"),
  },
];
