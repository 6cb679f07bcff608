import type { Command } from "../../shared/cli/command.ts";
import { PASSPHRASE_OPTIONS } from "./passphrase-option.ts";

const PASSPHRASE = PASSPHRASE_OPTIONS.slice(0, 1);
const NAME = { name: "name", summary: "As secrets.yaml names it", required: true } as const;

export const commands: readonly Command[] = [
  {
    path: ["secret", "set"],
    summary: "Keep a secret's value in the vault, for the next publish",
    examples: [
      { run: "felhom secret set smtp-password", shows: "asks for the value without showing it" },
      { run: "felhom secret set tls-key --from key.pem --keep-newline", shows: "a file's content as it is" },
      { run: "pass show smtp | felhom secret set smtp-password --from - --passphrase-file pass", shows: "from another program" },
    ],
    args: [NAME],
    options: [
      { name: "from", value: "FILE", summary: "Read the value from this file (- for stdin)" },
      { name: "keep-newline", summary: "Keep the file's last line feed" },
      ...PASSPHRASE,
    ],
    mutates: true,
    load: () => import("../commands/secret-set.ts"),
  },
  {
    path: ["secret", "list"],
    summary: "Show which secrets the vault holds, never their values",
    examples: [{ run: "felhom secret list", shows: "names and lengths" }],
    args: [],
    options: PASSPHRASE,
    mutates: false,
    load: () => import("../commands/secret-list.ts"),
  },
  {
    path: ["secret", "remove"],
    summary: "Take a secret out of the vault",
    examples: [{ run: "felhom secret remove smtp-password", shows: "boxes keep what they have until the next publish" }],
    args: [NAME],
    options: PASSPHRASE,
    mutates: true,
    load: () => import("../commands/secret-remove.ts"),
  },
];
