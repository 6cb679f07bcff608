import type { Command, Option } from "../../shared/cli/command.ts";
import { SINCE } from "./since-option.ts";

const FILTERS: readonly Option[] = [
  { name: "kind", value: "KINDS", many: true, summary: "Only these kinds, such as host.down,host.failed or host for all of host.*" },
  { name: "host", value: "HOST", summary: "Only this host, by name or id" },
];

export const commands: readonly Command[] = [
  {
    path: ["event", "list"],
    summary: "Show what happened lately, the newest last",
    examples: [
      { run: "felhom event list", shows: "the last fifty events" },
      { run: "felhom event list --since 2h", shows: "everything of the last two hours" },
      { run: "felhom event list --kind host.down --kind host.failed --limit 500", shows: "only what went wrong" },
    ],
    args: [],
    options: [...FILTERS, { name: "limit", value: "N", summary: "At most this many: 50 without --since" }, SINCE],
    mutates: false,
    load: () => import("../commands/event-list.ts"),
  },
  {
    path: ["event", "follow"],
    summary: "Show events as they happen, until Ctrl-C",
    examples: [
      { run: "felhom event follow", shows: "one line per event" },
      { run: "felhom event follow -o jsonl | jq -r 'select(.event==\"host.down\").host'", shows: "one JSON object per line" },
      { run: "felhom event follow --since 2h", shows: "what happened in the last two hours, and then what comes" },
      { run: "felhom event follow --since 4181", shows: "from the event after number 4181" },
    ],
    args: [],
    options: [
      ...FILTERS,
      { name: "since", value: "TIME|SEQ", summary: "Begin with what happened since then (2h, 3d, 2026-11-20T08:00Z), or after this event's number" },
    ],
    mutates: false,
    load: () => import("../commands/event-follow.ts"),
  },
];
