import type { Option } from "../../shared/cli/command.ts";

/** Of every command that looks at this box's agent. The settings file and FELHOM_… variables say the same things. */
export const PLACE_OPTIONS: readonly Option[] = [
  { name: "data-dir", value: "DIR", summary: "The agent's data directory" },
  { name: "socket-path", value: "PATH", summary: "The agent's local socket" },
];
