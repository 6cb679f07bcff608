import type { Command } from "../../shared/cli/command.ts";
import { COMMAND_OPTIONS, PACE_OPTIONS, TARGET_OPTIONS } from "./op-options.ts";
import { commands as RUN } from "./run.ts";

const OP = { name: "op", summary: "Its id, the beginning of it, or last", required: true } as const;
const [RUN_COMMAND] = RUN;

export const commands: readonly Command[] = [
  {
    path: ["op", "list"],
    summary: "Show ops that are not over: on their way, or waiting for signatures",
    examples: [
      { run: "felhom op list", shows: "drafts, half-signed ones, and what runs" },
      { run: "felhom op list --state draft,pending", shows: "what waits for somebody to sign" },
      { run: "felhom op list --all --limit 200", shows: "also what is over" },
    ],
    args: [],
    options: [
      { name: "all", summary: "Also those that are over" },
      { name: "state", value: "STATE", summary: "Only draft, pending, signed, delivered, running, done, failed, refused, expired or cancelled" },
      { name: "kind", value: "KIND", summary: "Only of this kind" },
      { name: "limit", value: "N", summary: "At most this many", default: "50" },
    ],
    mutates: false,
    load: () => import("../commands/op-list.ts"),
  },
  {
    path: ["op", "show"],
    summary: "Show one op as its own bytes say it, and who signed it",
    examples: [{ run: "felhom op show last", shows: "exit 7 when the hub gives other bytes than it says" }],
    args: [OP],
    options: [],
    mutates: false,
    load: () => import("../commands/op-show.ts"),
  },
  {
    path: ["op", "draft"],
    summary: "Prepare an op for others to sign; no key is needed",
    examples: [{ run: "felhom op draft kovacs-1 host.reboot --note 'after the kernel update'", shows: "felhom sign pending shows it to who can sign" }],
    args: RUN_COMMAND?.args ?? [],
    ...(RUN_COMMAND?.after === undefined ? {} : { after: RUN_COMMAND.after }),
    options: [
      ...TARGET_OPTIONS,
      ...COMMAND_OPTIONS,
      ...PACE_OPTIONS,
      { name: "expires", value: "TIME", summary: "No box starts it after this (default 1h; 10m for reads)" },
      { name: "note", value: "TEXT", summary: "For those who are to sign; not part of what is signed" },
    ],
    mutates: true,
    load: () => import("../commands/op-draft.ts"),
  },
  {
    path: ["op", "cancel"],
    summary: "Take an op back, also one that waits for signatures",
    examples: [{ run: "felhom op cancel last", shows: "nobody can sign or run it any more" }],
    args: [OP],
    options: [],
    mutates: true,
    load: () => import("../commands/op-cancel.ts"),
  },
  {
    path: ["op", "export"],
    summary: "Write a signed op to a file, for a box that no network reaches",
    examples: [{ run: "felhom op export last --out reboot.op", shows: "on the box: felhom op import reboot.op" }],
    args: [OP],
    options: [{ name: "out", value: "FILE", summary: "Where to; stdout when left out" }],
    mutates: true,
    load: () => import("../commands/op-export.ts"),
  },
  {
    path: ["op", "import"],
    summary: "Take in what came on a USB stick: a box's receipts are verified and handed to the hub, so is an op",
    examples: [
      { run: "felhom op import kovacs-1.jsonl", shows: "each answer held against the box's certificate; the hub counts it once" },
      { run: "felhom op import kovacs-1.jsonl --dry-run", shows: "what the box answered; the hub is told nothing" },
    ],
    args: [{ name: "file", summary: "What felhom op receipts wrote on a box, or felhom op export here; - is stdin", required: true, many: true }],
    options: [],
    mutates: true,
    load: () => import("../commands/op-import.ts"),
  },
];
