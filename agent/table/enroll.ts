import type { Command } from "../../shared/cli/command.ts";
import { PLACE_OPTIONS } from "./place-options.ts";

export const commands: readonly Command[] = [
  {
    path: ["enroll"],
    summary: "Bring this box under management",
    examples: [
      {
        run: "felhom enroll --master-urls https://a.example,https://b.example --join CODE",
        shows: "five words to compare, then the wait for an operator's approval",
      },
      { run: "felhom enroll --master-urls https://a.example --join-file /root/join --no-wait", shows: "asks, exits 6, and goes on when it is run again" },
      { run: "felhom enroll", shows: "goes on where the last run stopped" },
    ],
    args: [],
    options: [
      { name: "master-urls", value: "URL,URL", many: true, summary: "Hubs, in the order they are tried" },
      { name: "join", value: "CODE", summary: "The join code that felhom join-code printed; - reads it from stdin" },
      { name: "join-file", value: "FILE", summary: "A file with the join code: a code with a token is a secret" },
      { name: "name", value: "NAME", summary: "What this box calls itself (default: its hostname); the operator decides in the end" },
      { name: "wait", summary: "Wait for the approval (the default)" },
      { name: "no-wait", summary: "Ask, print the words, and exit with 6" },
      ...PLACE_OPTIONS.slice(0, 1),
    ],
    mutates: false,
    load: () => import("../commands/enroll.ts"),
  },
];
