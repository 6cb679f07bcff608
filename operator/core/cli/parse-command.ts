import { CommanderError, Command as Parser, Option as ParserOption } from "commander";
import type { Call, Command, Option } from "../../../shared/cli/command.ts";
import { Fault } from "../../../shared/core/fault.ts";
import { didYouMean } from "./did-you-mean.ts";
import { optionsOf } from "./global-options.ts";

/** Parses one command's arguments with commander, built from the command's data. Throws `bad_request` in felhom's own words. */
export interface Parsed {
  readonly args: Call["args"];
  /** By long name, globals included. */
  readonly options: Call["options"];
}

export function parseCommand(command: Command, argv: readonly string[]): Parsed {
  const known = optionsOf(command);
  const end = command.after === undefined ? -1 : argv.indexOf("--");
  const own = end < 0 ? argv : argv.slice(0, end);
  const parser = new Parser(command.path.join(" "))
    .helpOption(false)
    .exitOverride()
    .showSuggestionAfterError(false)
    .configureOutput({ writeErr: () => {}, writeOut: () => {} });
  for (const argument of command.args)
    parser.argument(`${argument.required ? "<" : "["}${argument.name}${argument.many === true ? "..." : ""}${argument.required ? ">" : "]"}`);
  for (const option of known) parser.addOption(parserOption(option));
  parser.action(() => {});
  try {
    parser.parse([...own], { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError) throw usageFault(command, known, error);
    throw error;
  }
  const values: Readonly<Record<string, unknown>> = parser.opts();
  const args: Record<string, string | readonly string[] | undefined> = {};
  command.args.forEach((argument, at) => {
    const value: unknown = parser.processedArgs[at];
    args[argument.name] = typeof value === "string" ? value : Array.isArray(value) ? value.map(String) : undefined;
  });
  if (command.after !== undefined && end >= 0) args[command.after.name] = argv.slice(end + 1);
  return { args, options: Object.fromEntries(known.flatMap((option) => optionValue(option, values))) };
}

/** `--no-x` is a plain flag here: commander's own idea of it (a negation of `x`) is undone by giving it another attribute name. */
function parserOption(option: Option): ParserOption {
  const flags = `${option.short === undefined ? "" : `-${option.short}, `}--${option.name}${option.value === undefined ? "" : ` <${option.value}>`}`;
  const made = new ParserOption(flags, option.summary);
  made.negate = false;
  made.attributeName = () => option.name;
  if (option.required === true) made.makeOptionMandatory();
  if (option.default !== undefined) made.default(option.default);
  if (option.many === true) made.argParser((value: string, before: unknown) => [...(Array.isArray(before) ? before.map(String) : []), value]);
  return made;
}

function optionValue(option: Option, values: Readonly<Record<string, unknown>>): readonly (readonly [string, string | boolean | readonly string[]])[] {
  const value = values[option.name];
  if (typeof value === "string" || typeof value === "boolean") return [[option.name, value]];
  return Array.isArray(value) ? [[option.name, value.map(String)]] : [];
}

function usageFault(command: Command, known: readonly Option[], error: CommanderError): Fault {
  const said = error.message.replace(/^error: /, "").replace(/\.$/, "");
  const typed = /unknown option '--([^'=]*)/.exec(said)?.[1];
  const guesses =
    typed === undefined
      ? []
      : didYouMean(
          typed,
          known.map(({ name }) => name),
        );
  const help = `felhom ${command.path.join(" ")} --help`;
  return new Fault("bad_request", `Cannot run felhom ${command.path.join(" ")}: ${said}`, {
    remedy: guesses.length > 0 ? `Did you mean ${guesses.map((guess) => `--${guess}`).join(" or ")}? ${help} shows all.` : help,
  });
}
