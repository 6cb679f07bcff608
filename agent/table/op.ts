import type { Command } from "../../shared/cli/command.ts";
import { isBox } from "./is-box.ts";
import { PLACE_OPTIONS } from "./place-options.ts";

export const commands: readonly Command[] = [
  {
    path: ["op", "import"],
    summary: "Hand this box an op from a file: one that came on a stick, for a box that no hub reaches",
    examples: [{ run: "felhom op import /media/usb/op.json", shows: "whether it was taken, and its outcome" }],
    args: [{ name: "file", summary: "An op's envelope, as `felhom op export` writes it; several files are taken in turn", required: true, many: true }],
    options: [{ name: "no-wait", summary: "Hand it over, and do not wait for the outcome" }, ...PLACE_OPTIONS],
    mutates: false,
    isHere: isBox,
    load: () => import("../commands/op-import.ts"),
  },
  {
    path: ["op", "receipts"],
    summary: "Write this box's answers that no hub has yet into a file, to carry them home",
    examples: [{ run: "felhom op receipts /media/usb/kovacs-1.jsonl", shows: "how many signed answers were written" }],
    args: [{ name: "file", summary: "Where to: one signed answer per line", required: true }],
    options: PLACE_OPTIONS,
    mutates: false,
    isHere: isBox,
    load: () => import("../commands/op-receipts.ts"),
  },
];
