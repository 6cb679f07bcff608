import type { Command } from "../../shared/cli/command.ts";
import { isBox } from "./is-box.ts";
import { PLACE_OPTIONS } from "./place-options.ts";

export const commands: readonly Command[] = [
  {
    path: ["doctor"],
    summary: "Look for what is wrong on this box, and say what to do about it",
    examples: [{ run: "felhom doctor", shows: "clock, names, hubs and their keys, identity, agent, disk" }],
    args: [],
    options: PLACE_OPTIONS,
    mutates: false,
    isHere: isBox,
    load: () => import("../commands/doctor.ts"),
  },
];
