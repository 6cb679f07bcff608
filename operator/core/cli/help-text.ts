import { paint } from "../../../shared/cli/colour.ts";
import type { Argument, Command, Option } from "../../../shared/cli/command.ts";
import type { Terminal } from "../../../shared/ports/terminal.ts";
import { GLOBAL_OPTIONS, MUTATING_OPTIONS } from "./global-options.ts";
import { NOUN_GROUPS } from "./noun-groups.ts";

/** Help as text, from the same tables as everything else. Examples come first: most people look for the line to copy. */
type Paper = Pick<Terminal, "colour" | "columns">;

export function commandHelp(command: Command, paper: Paper): string {
  const parts = [wrap(`${command.summary}.`, paper, 0)];
  if (command.examples.length > 0)
    parts.push(
      section(
        "Examples",
        command.examples.map(({ run, shows }) => [run, shows]),
        paper,
      ),
    );
  parts.push(`${title("Usage", paper)}\n  felhom ${usageOf(command)}`);
  const args = argumentsOf(command);
  if (args.length > 0)
    parts.push(
      section(
        "Arguments",
        args.map((argument) => [argument.name.toUpperCase(), argument.summary]),
        paper,
      ),
    );
  const own = [...command.options, ...(command.mutates ? MUTATING_OPTIONS : [])];
  if (own.length > 0)
    parts.push(
      section(
        "Options",
        own.map((option) => [flagsOf(option), summaryOf(option)]),
        paper,
      ),
    );
  parts.push(paint(paper, "quiet", "felhom help global shows the options that every command takes."));
  return parts.join("\n\n");
}

export function nounHelp(noun: string, commands: readonly Command[], paper: Paper): string {
  const examples = commands.flatMap((command) => command.examples.slice(0, 1)).slice(0, 4);
  return [
    ...(examples.length > 0
      ? [
          section(
            "Examples",
            examples.map(({ run, shows }) => [run, shows]),
            paper,
          ),
        ]
      : []),
    section(
      "Commands",
      commands.map((command) => [`felhom ${command.path.join(" ")}`, command.summary]),
      paper,
    ),
    paint(paper, "quiet", `felhom ${noun} VERB --help shows one of them.`),
  ].join("\n\n");
}

export function globalHelp(paper: Paper): string {
  return [
    section(
      "Options of every command",
      GLOBAL_OPTIONS.map((option) => [flagsOf(option), option.summary]),
      paper,
    ),
    section(
      "Options of commands that change something",
      MUTATING_OPTIONS.map((option) => [flagsOf(option), option.summary]),
      paper,
    ),
  ].join("\n\n");
}

/** Everything, a line per noun, in the order of the tree in cli.md. */
export function overview(commands: readonly Command[], paper: Paper): string {
  const nouns = Map.groupBy(commands, ({ path }) => path[0]);
  const listed = new Set(NOUN_GROUPS.flatMap(({ nouns }) => nouns));
  const others = [...nouns.keys()].filter((noun) => !listed.has(noun));
  const groups = [...NOUN_GROUPS, { title: "More", nouns: others }]
    .map((group) => ({ title: group.title, lines: group.nouns.flatMap((noun) => nounLine(noun, nouns.get(noun))) }))
    .filter(({ lines }) => lines.length > 0);
  const width = Math.max(...groups.flatMap(({ lines }) => lines.map(([name]) => name.length)));
  return [
    "felhom keeps fleets of self-hosted boxes as their operator wants them.",
    section("Start with", STARTS, paper),
    ...groups.map(({ title, lines }) => section(title, lines, paper, width)),
    paint(paper, "quiet", "felhom help NOUN, felhom help NOUN VERB, felhom help KEYWORD, felhom help global"),
  ].join("\n\n");
}

const STARTS: readonly (readonly [string, string])[] = [
  ["felhom init fleet", "a fleet directory with a working example"],
  ["felhom host list", "every box, those that need you first"],
  ["felhom plan fleet", "what would change, where, before anything does"],
  ["felhom doctor", "what is wrong here, and what to run next"],
];

function nounLine(noun: string, commands: readonly Command[] | undefined): readonly (readonly [string, string])[] {
  if (commands === undefined || commands.length === 0) return [];
  const verbs = commands.flatMap(({ path }) => path.slice(1, 2));
  const own = commands.find(({ path }) => path.length === 1);
  const unique = [...new Set(verbs)].join(", ");
  return [[noun, own === undefined ? unique : unique === "" ? own.summary : `${own.summary} (also ${unique})`]];
}

/** Commands that match every word, best first. */
export function searchCommands(commands: readonly Command[], words: readonly string[]): readonly Command[] {
  const wanted = words.map((word) => word.toLowerCase());
  const score = (command: Command): number => {
    const name = command.path.join(" ");
    const rest = [
      ...command.options.map((option) => `${option.name} ${option.summary}`),
      ...command.examples.map(({ run, shows }) => `${run} ${shows}`),
      ...command.args.map(({ summary }) => summary),
    ]
      .join(" ")
      .toLowerCase();
    let total = 0;
    for (const word of wanted) {
      const points = name.includes(word) ? 4 : command.summary.toLowerCase().includes(word) ? 2 : rest.includes(word) ? 1 : 0;
      if (points === 0) return 0;
      total += points;
    }
    return total;
  };
  const scored = commands.map((command) => ({ command, points: score(command) })).toSorted((a, b) => b.points - a.points);
  // A word in some option of everything is noise as soon as anything is named after it.
  const least = Math.max(1, (scored[0]?.points ?? 0) / 2);
  return scored.filter(({ points }) => points >= least).map(({ command }) => command);
}

/** In the order they are typed. */
export function argumentsOf(command: Command): readonly Argument[] {
  return [...command.args, ...(command.after === undefined ? [] : [command.after])];
}

export function usageOf(command: Command): string {
  const args = command.args.map(({ name, required, many }) => `${required ? "" : "["}${name.toUpperCase()}${many === true ? "…" : ""}${required ? "" : "]"}`);
  const must = command.options.filter(({ required }) => required === true).map((option) => `--${option.name} ${option.value ?? ""}`.trim());
  const rest = command.options.length > must.length || command.mutates ? ["[options]"] : [];
  const after = command.after === undefined ? [] : [`[-- ${command.after.name.toUpperCase()}…]`];
  return [...command.path, ...must, ...args, ...rest, ...after].join(" ");
}

export function flagsOf(option: Option): string {
  return `${option.short === undefined ? "    " : `-${option.short}, `}--${option.name}${option.value === undefined ? "" : ` ${option.value}`}`;
}

export function summaryOf(option: Option): string {
  const remarks = [
    ...(option.required === true ? ["needed"] : []),
    ...(option.many === true ? ["may be repeated"] : []),
    ...(option.default === undefined ? [] : [`default ${option.default}`]),
  ];
  return remarks.length === 0 ? option.summary : `${option.summary} (${remarks.join(", ")})`;
}

function title(text: string, paper: Paper): string {
  return paint(paper, "strong", text);
}

const NAME_CELLS_MAX = 34;

export function section(name: string, pairs: readonly (readonly [string, string])[], paper: Paper, least = 0): string {
  const width = Math.max(least, ...pairs.map(([left]) => Math.min(left.length, NAME_CELLS_MAX)));
  const lines = pairs.map(([left, right]) => {
    const text = wrap(right, paper, width + 4);
    return left.length > width ? `  ${left}\n${" ".repeat(width + 4)}${text}` : `  ${left.padEnd(width)}  ${text}`;
  });
  return [title(name, paper), ...lines].join("\n");
}

/** Wraps at the terminal's width, at most 100 cells, with a hanging indent. */
function wrap(text: string, paper: Paper, indent: number): string {
  const room = Math.max(24, Math.min(paper.columns, 100) - indent);
  return Bun.wrapAnsi(text, room, { trim: true })
    .split("\n")
    .join(`\n${" ".repeat(indent)}`);
}
