import type { Command } from "../../shared/cli/command.ts";
import { COMMAND_OPTIONS, FOLLOW_OPTIONS, PACE_OPTIONS, SIGN_OPTIONS, TARGET_OPTIONS } from "./op-options.ts";

export const commands: readonly Command[] = [
  {
    path: ["run"],
    summary: "Sign one instruction, send it to the boxes that are meant, and gather their signed answers",
    examples: [
      { run: "felhom run kovacs-1 ping", shows: "a signed sign of life" },
      { run: "felhom run 'web-*' cmd.run -- uptime -p", shows: "a command on every host of that name, the same answers folded" },
      { run: "felhom run \"label.site == 'gyor'\" service.restart name=nginx --batch 5 --pause 30s --max-fail 1", shows: "carefully, a few at a time" },
      { run: "felhom run '*' cmd.run --script check.sh --limit 10% -o jsonl", shows: "a script on a tenth of the fleet, answers as lines" },
      { run: "felhom run @web package.upgrade all=yes --expires 6h --detach", shows: "the id at once; a box that is away runs it when it is back by then" },
    ],
    args: [
      {
        name: "target",
        summary: "A host's name or id, a glob, names joined by commas, @NAME for the label group=NAME, or an expression over label.*, fact.* and host.*",
        required: true,
      },
      { name: "kind", summary: "What is done: ping, cmd.run, file.put, service.restart, host.reboot … (docs/reference/ops.md)", required: true },
      { name: "params", summary: "KEY=VALUE as the kind has them; KEY=@FILE takes a file's content", required: false, many: true },
    ],
    after: { name: "argv", summary: "cmd.run: the program and its words, or the words for --script", required: false, many: true },
    options: [...TARGET_OPTIONS, ...COMMAND_OPTIONS, ...PACE_OPTIONS, ...FOLLOW_OPTIONS, ...SIGN_OPTIONS],
    mutates: true,
    load: () => import("../commands/run.ts"),
  },
];
