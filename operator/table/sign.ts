import type { Command } from "../../shared/cli/command.ts";
import { PASSPHRASE_OPTIONS } from "./passphrase-option.ts";

/** The same text as `SSH_AGENT_OPTION`; tables load nothing of what a command needs. */
const SSH_AGENT = { name: "ssh-agent", summary: "Sign with an Ed25519 key of the ssh-agent at $SSH_AUTH_SOCK instead of the vault" } as const;

export const commands: readonly Command[] = [
  {
    path: ["sign", "pending"],
    summary: "Look at what waits for signatures, and sign it",
    examples: [
      { run: "felhom-sign --pending", shows: "lists, shows each op from its own bytes, asks; no is the default" },
      { run: "felhom sign pending -o json", shows: "lists and never signs: exit 0 nothing waits, 6 something does" },
      { run: "felhom sign pending --batch", shows: "one question for everything of low risk" },
      { run: "felhom sign pending --no-input --digest sha256:1fd0… --passphrase-file pass", shows: "signs exactly these bytes, or fails with 7" },
      { run: "felhom sign pending --ssh-agent", shows: "with a key that the ssh-agent holds" },
    ],
    args: [],
    options: [
      { name: "digest", value: "SHA256", many: true, summary: "Sign exactly the bytes with this whole SHA-256, without a question" },
      { name: "batch", summary: "One question for all that is of low risk; leaves out the rest" },
      { name: "confirm", value: "NAME", summary: "With --digest: the name that would have to be typed for what can't be undone" },
      SSH_AGENT,
      ...PASSPHRASE_OPTIONS,
    ],
    mutates: false,
    load: () => import("../commands/sign-pending.ts"),
  },
  {
    path: ["sign", "show"],
    summary: "Show one op that waits, whole",
    examples: [{ run: "felhom sign show o-4b7qk2mzv5x3n6ap", shows: "every line of what would be signed" }],
    args: [{ name: "op", summary: "Id of the op", required: true }],
    options: [],
    mutates: false,
    load: () => import("../commands/sign-show.ts"),
  },
  {
    path: ["sign", "verify"],
    summary: "Check who signed the op in a file",
    examples: [{ run: "felhom sign verify reboot.op", shows: "what it does, who signed, whether that is enough; no hub is asked" }],
    args: [{ name: "file", summary: "A file that felhom op export wrote, or - for stdin", required: true }],
    options: [],
    mutates: false,
    load: () => import("../commands/sign-verify.ts"),
  },
];
