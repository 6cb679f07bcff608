import type { Command, Option } from "../../../shared/cli/command.ts";
import { GLOBAL_OPTIONS, MUTATING_OPTIONS } from "../cli/global-options.ts";
import { summaryOf, usageOf, argumentsOf } from "../cli/help-text.ts";
import { NOUN_GROUPS } from "../cli/noun-groups.ts";
import { markdownTable } from "./markdown.ts";

/** The command line reference as Markdown, from the same tables as `--help`. A drift test compares it with docs/reference. */
export function commandPage(commands: readonly Command[]): string {
  const byNoun = Map.groupBy(commands, ({ path }) => path[0]);
  const listed = new Set(NOUN_GROUPS.flatMap(({ nouns }) => nouns));
  const others = [...byNoun.keys()].filter((noun) => !listed.has(noun));
  const groups = [...NOUN_GROUPS, { title: "More", nouns: others }]
    .map(({ title, nouns }) => ({ title, commands: nouns.flatMap((noun) => byNoun.get(noun) ?? []) }))
    .filter((group) => group.commands.length > 0);
  return [
    "# Command line",
    "Results go to stdout, hints and progress to stderr. `-o json` gives `apiVersion`, `kind` and `generatedAt` with every answer; streams and lists are also there as `-o jsonl`, one object a line. [Codes](codes.md) lists exit codes and error codes.",
    ...groups.flatMap((group) => [`## ${group.title}`, ...group.commands.map(commandSection)]),
    "## Options of every command",
    optionTable(GLOBAL_OPTIONS),
    "## Options of commands that change something",
    optionTable(MUTATING_OPTIONS),
  ]
    .join("\n\n")
    .concat("\n");
}

function commandSection(command: Command): string {
  const parts = [
    `### felhom ${command.path.join(" ")}`,
    `${command.summary}.${command.mutates ? " Changes something: takes `--dry-run`, `--yes` and `--reason`." : ""}`,
    `\`\`\`\nfelhom ${usageOf(command)}\n\`\`\``,
  ];
  const args = argumentsOf(command);
  if (args.length > 0)
    parts.push(
      markdownTable(
        ["argument", ""],
        args.map((argument) => [`\`${argument.name.toUpperCase()}\``, argument.summary]),
      ),
    );
  if (command.options.length > 0) parts.push(optionTable(command.options));
  if (command.examples.length > 0)
    parts.push(
      markdownTable(
        ["example", ""],
        command.examples.map(({ run, shows }) => [`\`${run}\``, shows]),
      ),
    );
  return parts.join("\n\n");
}

function optionTable(options: readonly Option[]): string {
  return markdownTable(
    ["option", ""],
    options.map((option) => [
      `\`${option.short === undefined ? "" : `-${option.short}, `}--${option.name}${option.value === undefined ? "" : ` ${option.value}`}\``,
      summaryOf(option),
    ]),
  );
}
