import type { Command } from "../../shared/cli/command.ts";
import { PLACE_OPTIONS } from "./place-options.ts";

export const commands: readonly Command[] = [
  {
    path: ["converge"],
    summary: "Ask this box's agent to converge now",
    examples: [{ run: "felhom converge", shows: "the outcome of a run that begins at once" }],
    args: [],
    options: [{ name: "no-wait", summary: "Ask, and do not wait for the outcome" }, ...PLACE_OPTIONS],
    mutates: false,
    load: () => import("../commands/converge.ts"),
  },
];
