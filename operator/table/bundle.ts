import type { Command } from "../../shared/cli/command.ts";

export const commands: readonly Command[] = [
  {
    path: ["bundle", "list"],
    summary: "Show the published bundles, newest first",
    examples: [{ run: "felhom bundle list", shows: "version, age, size, hosts that have it in force, expiry" }],
    args: [],
    options: [{ name: "limit", value: "N", summary: "At most this many", default: "20" }],
    mutates: false,
    load: () => import("../commands/bundle-list.ts"),
  },
  {
    path: ["bundle", "show"],
    summary: "Show one bundle's manifest, after verifying its signatures",
    examples: [
      { run: "felhom bundle show", shows: "the newest" },
      { run: "felhom bundle show 41 -o json", shows: "files with their hashes, for a script" },
    ],
    args: [{ name: "version", summary: "Its number, or latest", required: false }],
    options: [],
    mutates: false,
    load: () => import("../commands/bundle-show.ts"),
  },
  {
    path: ["bundle", "diff"],
    summary: "Show what differs between two bundles",
    examples: [
      { run: "felhom bundle diff", shows: "the newest against the one before it" },
      { run: "felhom bundle diff 40 42 --exit-code", shows: "exit 3 when they differ" },
    ],
    args: [
      { name: "from", summary: "Version to start from; 0 is nothing", required: false },
      { name: "to", summary: "Version to compare with; latest when left out", required: false },
    ],
    options: [{ name: "exit-code", summary: "Exit 3 when something differs" }],
    mutates: false,
    load: () => import("../commands/bundle-diff.ts"),
  },
];
