import type { Command } from "../../shared/cli/command.ts";
import { PASSPHRASE_OPTIONS } from "./passphrase-option.ts";

const SIGNING = [
  { name: "out", value: "FILE", summary: "Also write the signed root to this file, for the operator who signs next" },
  ...PASSPHRASE_OPTIONS.slice(0, 1),
];
const ROLE = { name: "role", value: "ROLE", many: true, summary: "root, admit, publish, operate, destroy or release; without it every role" } as const;
const PIN = {
  name: "hub-pin",
  value: "PIN",
  many: true,
  summary: "A hub's TLS key instead of an operator's key, while a hub's key is being replaced",
} as const;

export const commands: readonly Command[] = [
  {
    path: ["trust", "show"],
    summary: "Show who may do what in this fleet, and how many must sign",
    examples: [{ run: "felhom trust show", shows: "keys, roles, thresholds, expiry, what waits for signatures" }],
    args: [],
    options: [],
    mutates: false,
    load: () => import("../commands/trust-show.ts"),
  },
  {
    path: ["trust", "add"],
    summary: "Give a key a role, or sign a hub's new TLS key",
    examples: [
      { run: "felhom trust add anna ed25519:11qY… --role admit --role publish", shows: "anna may let boxes in and publish" },
      { run: 'felhom trust add token "$(ssh-add -L)" --role operate', shows: "a key of the ssh-agent, which stays there" },
      { run: "felhom trust add --hub-pin 7vT0…", shows: "boxes accept the hub's next TLS key as well as the present one" },
      { run: "felhom trust add anna ed25519:11qY… --out root.json", shows: "when others must sign too: the file for the next of them" },
    ],
    args: [
      { name: "name", summary: "What to call the key", required: false },
      { name: "key", summary: "The public key, as felhom key export or ssh-add -L prints it", required: false },
    ],
    options: [ROLE, PIN, ...SIGNING],
    mutates: true,
    load: () => import("../commands/trust-add.ts"),
  },
  {
    path: ["trust", "remove"],
    summary: "Take a key's roles away, or a hub's old TLS key",
    examples: [
      { run: "felhom trust remove anna", shows: "from the whole root" },
      { run: "felhom trust remove anna --role publish", shows: "from one role" },
      { run: "felhom trust remove --hub-pin 3hQ1…", shows: "once every box has the new one" },
    ],
    args: [{ name: "key", summary: "Name or id of the key", required: false }],
    options: [ROLE, PIN, ...SIGNING],
    mutates: true,
    load: () => import("../commands/trust-remove.ts"),
  },
  {
    path: ["trust", "threshold"],
    summary: "Set how many keys of a role must sign",
    examples: [{ run: "felhom trust threshold destroy 2", shows: "what can't be undone needs two people" }],
    args: [
      { name: "role", summary: "root, admit, publish, operate, destroy or release", required: true },
      { name: "count", summary: "1 to 16", required: true },
    ],
    options: SIGNING,
    mutates: true,
    load: () => import("../commands/trust-threshold.ts"),
  },
  {
    path: ["trust", "rotate"],
    summary: "Renew the root's expiry, or put a new key in an old one's place",
    examples: [
      { run: "felhom trust rotate", shows: "the same keys for two more years" },
      { run: "felhom trust rotate operator --by ed25519:9xKp…", shows: "the new key takes over every role of the old one" },
    ],
    args: [{ name: "key", summary: "Name or id of the key that goes", required: false }],
    options: [
      { name: "by", value: "KEY", summary: "The public key that comes, as felhom key export prints it" },
      { name: "name", value: "NAME", summary: "What to call it (default: as the old one)" },
      ...SIGNING,
    ],
    mutates: true,
    load: () => import("../commands/trust-rotate.ts"),
  },
  {
    path: ["trust", "sign"],
    summary: "Sign a root that waits for more signatures, and send what the hub lacks",
    examples: [
      { run: "felhom trust sign root.json --out root-signed.json", shows: "what changes; then your signature beside the others" },
      { run: "felhom trust sign", shows: "what waits on this workstation; with nothing waiting, hub and workstation get the same root" },
      { run: "felhom trust sign --discard", shows: "throws away what waits here" },
    ],
    args: [{ name: "file", summary: "A root that another operator wrote with --out", required: false }],
    options: [{ name: "discard", summary: "Throw away the root that waits here" }, ...SIGNING],
    mutates: true,
    load: () => import("../commands/trust-sign.ts"),
  },
  {
    path: ["trust", "resign"],
    summary: "Sign host certificates again when a key that signed them goes",
    examples: [
      { run: "felhom trust resign --before-removing operator", shows: "what depends on that key, signed by another; then felhom trust remove operator" },
      { run: "felhom trust resign", shows: "after a lost key was replaced: certificates that no longer count, with the words to compare" },
    ],
    args: [],
    options: [
      { name: "before-removing", value: "KEY", summary: "Those that would not count without this key, while it is still in the root" },
      ...PASSPHRASE_OPTIONS,
    ],
    mutates: true,
    load: () => import("../commands/trust-resign.ts"),
  },
];
