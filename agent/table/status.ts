import type { Command } from "../../shared/cli/command.ts";
import { isBox } from "./is-box.ts";
import { PLACE_OPTIONS } from "./place-options.ts";

export const commands: readonly Command[] = [
  {
    path: ["status"],
    summary: "Show how this box stands",
    examples: [
      { run: "felhom status", shows: "who it is, its link, what it enforces, what waits to be sent" },
      { run: "felhom status --log", shows: "every op that this box ran or refused, and that the log is whole" },
    ],
    args: [],
    options: [
      { name: "log", summary: "Show this box's own log of ops: who signed what, and what came of it" },
      { name: "lines", value: "N", default: "50", summary: "With --log: the newest so many entries" },
      ...PLACE_OPTIONS,
    ],
    mutates: false,
    isHere: isBox,
    load: () => import("../commands/status.ts"),
  },
];
