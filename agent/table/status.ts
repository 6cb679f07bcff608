import type { Command } from "../../shared/cli/command.ts";
import { isBox } from "./is-box.ts";
import { PLACE_OPTIONS } from "./place-options.ts";

export const commands: readonly Command[] = [
  {
    path: ["status"],
    summary: "Show how this box stands",
    examples: [{ run: "felhom status", shows: "who it is, its link, what it enforces, what waits to be sent" }],
    args: [],
    options: PLACE_OPTIONS,
    mutates: false,
    isHere: isBox,
    load: () => import("../commands/status.ts"),
  },
];
