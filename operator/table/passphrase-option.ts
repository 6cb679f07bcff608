import type { Option } from "../../shared/cli/command.ts";

/** Of every command that signs. */
export const PASSPHRASE_OPTIONS: readonly Option[] = [
  { name: "passphrase-file", value: "FILE", summary: "Read the vault's passphrase from this file instead of asking" },
  { name: "key", value: "NAME", many: true, summary: "Sign with this key of the vault; without it every fitting key signs until the threshold is met" },
];
