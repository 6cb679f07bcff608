import type { Command } from "../../shared/cli/command.ts";
import { FOLLOW_OPTIONS, PACE_OPTIONS, SIGN_OPTIONS } from "./op-options.ts";

const JOB = { name: "job", summary: "Its id, the beginning of it, or last", required: true } as const;

export const commands: readonly Command[] = [
  {
    path: ["job", "list"],
    summary: "Show what was sent to the boxes, the newest first",
    examples: [
      { run: "felhom job list", shows: "kind, state, how many answered" },
      { run: "felhom job list --active -o name", shows: "ids of those that are not over" },
    ],
    args: [],
    options: [
      { name: "active", summary: "Only those that are not over" },
      { name: "kind", value: "KIND", summary: "Only of this kind" },
      { name: "limit", value: "N", summary: "At most this many", default: "50" },
    ],
    mutates: false,
    load: () => import("../commands/job-list.ts"),
  },
  {
    path: ["job", "show"],
    summary: "Show one job: what was signed, by whom, and how each host stands",
    examples: [{ run: "felhom job show last", shows: "read from the bytes that were signed" }],
    args: [JOB],
    options: [],
    mutates: false,
    load: () => import("../commands/job-show.ts"),
  },
  {
    path: ["job", "follow"],
    summary: "Follow a job until every host answered or was given up",
    examples: [
      { run: "felhom job follow last", shows: "what is there already, then the rest as it comes" },
      { run: "felhom job follow last --wait", shows: "also for boxes that are away, until the op expires" },
    ],
    args: [JOB],
    options: FOLLOW_OPTIONS.filter(({ name }) => name !== "detach"),
    mutates: false,
    load: () => import("../commands/job-follow.ts"),
  },
  {
    path: ["job", "results"],
    summary: "Show the answers of a job, each verified against its host's certificate",
    examples: [
      { run: "felhom job results last", shows: "the same answers folded, and who failed" },
      { run: "felhom job results last -o jsonl | jq -r 'select(.type==\"return\").host'", shows: "one line a host, for scripts" },
      { run: "felhom job results last --host kovacs-1 --save out", shows: "what the program wrote, byte by byte, as files" },
    ],
    args: [JOB],
    options: [
      { name: "host", value: "NAME", summary: "Only this host" },
      { name: "save", value: "DIR", summary: "Write each host's output to DIR/NAME as well" },
    ],
    mutates: false,
    load: () => import("../commands/job-results.ts"),
  },
  {
    path: ["job", "cancel"],
    summary: "Take a job back: what no box was given ends now, the others are asked to stop",
    examples: [{ run: "felhom job cancel last", shows: "boxes say themselves how it ended" }],
    args: [JOB],
    options: [],
    mutates: true,
    load: () => import("../commands/job-cancel.ts"),
  },
  {
    path: ["job", "retry"],
    summary: "Sign the same again for those hosts that did not run it",
    examples: [
      { run: "felhom job retry last", shows: "refused, busy and expired ones; never who may still run it" },
      { run: "felhom job retry last --failed", shows: "also those that ran it and failed" },
    ],
    args: [JOB],
    options: [{ name: "failed", summary: "Also hosts that ran it and failed, or may have run it" }, ...PACE_OPTIONS, ...FOLLOW_OPTIONS, ...SIGN_OPTIONS],
    mutates: true,
    load: () => import("../commands/job-retry.ts"),
  },
];
