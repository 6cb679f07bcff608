import type { Command } from "../../shared/cli/command.ts";
import { PASSPHRASE_OPTIONS } from "./passphrase-option.ts";

export const commands: readonly Command[] = [
  {
    path: ["publish"],
    summary: "Make a fleet directory the fleet's next bundle: check, diff, sign, upload",
    examples: [
      { run: "felhom publish", shows: "the directory you are in; shows what differs and asks" },
      { run: "felhom publish fleet --dry-run", shows: "what would be published, without a passphrase" },
      { run: "felhom publish fleet --yes --passphrase-file pass --message 'open port 443'", shows: "for scripts" },
    ],
    args: [{ name: "dir", summary: "The fleet directory; the current one when left out", required: false }],
    options: [
      { name: "message", short: "m", value: "TEXT", summary: "What this bundle is about; the git commit when left out" },
      { name: "expires", value: "TIME", summary: "How long boxes may take it in", default: "90d" },
      ...PASSPHRASE_OPTIONS,
    ],
    mutates: true,
    load: () => import("../commands/publish.ts"),
  },
];
