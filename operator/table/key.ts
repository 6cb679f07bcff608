import type { Command } from "../../shared/cli/command.ts";
import { PASSPHRASE_OPTIONS } from "./passphrase-option.ts";

const PASSPHRASE = PASSPHRASE_OPTIONS.slice(0, 1);

export const commands: readonly Command[] = [
  {
    path: ["key", "new"],
    summary: "Make a key in the vault; the first one begins a fleet",
    examples: [
      { run: "felhom key new operator --fleet shops", shows: "a key, and root version 1 of the fleet shops with it in every role" },
      { run: "felhom key new anna --no-fleet", shows: "only a key, for a fleet that somebody else began" },
      { run: "felhom key new backup", shows: "one more key in the same vault" },
    ],
    args: [{ name: "name", summary: "What to call it (default operator)", required: false }],
    options: [
      { name: "fleet", value: "NAME", summary: "Name of the fleet that begins with this key (default fleet)" },
      { name: "no-fleet", summary: "Make only the key" },
      ...PASSPHRASE,
    ],
    mutates: true,
    load: () => import("../commands/key-new.ts"),
  },
  {
    path: ["key", "list"],
    summary: "Show the vault's keys and what each may do",
    examples: [{ run: "felhom key list", shows: "names, ids, roles, ages" }],
    args: [],
    options: PASSPHRASE,
    mutates: false,
    load: () => import("../commands/key-list.ts"),
  },
  {
    path: ["key", "export"],
    summary: "Print a public key, or write a secret one to a file",
    examples: [
      { run: "felhom key export anna", shows: "the public key, for felhom trust add" },
      { run: "felhom key export backup --secret-to /media/stick/backup.key", shows: "the secret seed in a 0600 file, after its name is typed" },
    ],
    args: [{ name: "name", summary: "Which key", required: true }],
    options: [
      { name: "secret-to", value: "FILE", summary: "Write the secret seed to this new file instead" },
      { name: "confirm", value: "NAME", summary: "The key's name, instead of typing it when asked" },
      ...PASSPHRASE,
    ],
    mutates: true,
    load: () => import("../commands/key-export.ts"),
  },
];
