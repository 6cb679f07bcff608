import type { Option } from "../../shared/cli/command.ts";
import { PASSPHRASE_OPTIONS } from "./passphrase-option.ts";

/** Options that several of run, job and op share. */
export const TARGET_OPTIONS: readonly Option[] = [
  { name: "except", short: "x", value: "TARGET", many: true, summary: "But not these hosts: a name, a glob, @NAME or an expression" },
  { name: "limit", value: "N", summary: "Only so many of them, or a share such as 10%, drawn by the seed" },
  { name: "seed", value: "TEXT", summary: "What --limit and the order of batches are drawn by; a new one when left out" },
  { name: "from-file", value: "FILE", summary: "Only hosts named in this file, one a line; - is stdin" },
];

export const COMMAND_OPTIONS: readonly Option[] = [
  { name: "script", value: "FILE", summary: "cmd.run: the script whose text is signed and run; - is stdin" },
  { name: "stdin", value: "FILE", summary: "cmd.run: what the program reads; - is stdin" },
  { name: "user", value: "NAME", summary: "cmd.run: who runs it; the agent's user when left out" },
  { name: "cwd", value: "DIR", summary: "cmd.run: where it starts" },
  { name: "env", value: "NAME=VALUE", many: true, summary: "cmd.run: a variable of its environment" },
  { name: "time-limit", value: "TIME", summary: "cmd.run: after so long it is killed with all of its children (default 5m)" },
];

export const PACE_OPTIONS: readonly Option[] = [
  { name: "batch", value: "N", summary: "So many boxes at a time" },
  { name: "pause", value: "TIME", summary: "Between two batches" },
  { name: "max-fail", value: "N", summary: "Stop handing it out when more than so many failed" },
  { name: "canary", value: "HOST", many: true, summary: "These first; the others only when these went well" },
];

export const FOLLOW_OPTIONS: readonly Option[] = [
  { name: "detach", short: "d", summary: "Print the id at once and do not follow" },
  { name: "wait", summary: "Follow for boxes that are away too, until the op expires" },
  { name: "timeout", value: "TIME", summary: "Stop following after this long, exit 124; the job goes on" },
];

export const SIGN_OPTIONS: readonly Option[] = [
  { name: "expires", value: "TIME", summary: "No box starts it after this (default 1h; 10m for reads)" },
  { name: "sign", summary: "Sign also what boxes answer without a signature, such as ping" },
  { name: "confirm", value: "NAME", summary: "For what can't be undone: the host's name again, instead of typing it" },
  { name: "ssh-agent", summary: "Sign with an Ed25519 key of the ssh-agent at $SSH_AUTH_SOCK instead of the vault" },
  ...PASSPHRASE_OPTIONS,
];
