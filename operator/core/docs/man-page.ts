import type { Command, Option } from "../../../shared/cli/command.ts";
import { GLOBAL_OPTIONS, MUTATING_OPTIONS } from "../cli/global-options.ts";
import { flagsOf, summaryOf, usageOf, argumentsOf } from "../cli/help-text.ts";
import { EXIT_CODES } from "./exit-codes.ts";

/** Manual pages in man(7) roff from the command tables: `felhom(1)` for all, `felhom-host-list(1)` for each. Pure text. */
export interface ManPage {
  /** `felhom-host-list.1`. */
  readonly file: string;
  readonly text: string;
}

export function manPages(commands: readonly Command[], version: string): readonly ManPage[] {
  return [
    { file: "felhom.1", text: mainPage(commands, version) },
    ...commands.map((command) => ({ file: `${manName(command)}.1`, text: commandManPage(command, version) })),
  ];
}

export function manName(command: Pick<Command, "path">): string {
  return ["felhom", ...command.path].join("-");
}

function commandManPage(command: Command, version: string): string {
  const own = [...command.options, ...(command.mutates ? MUTATING_OPTIONS : [])];
  return page(manName(command), version, [
    section("NAME", `${roff(manName(command))} \\- ${roff(lowerFirst(command.summary))}`),
    section("SYNOPSIS", `.B felhom ${roff(command.path.join(" "))}\n${roff(usageOf(command).slice(command.path.join(" ").length).trim())}`),
    ...(argumentsOf(command).length === 0
      ? []
      : [
          section(
            "ARGUMENTS",
            argumentsOf(command)
              .map((argument) => term(argument.name.toUpperCase(), argument.summary))
              .join("\n"),
          ),
        ]),
    ...(own.length === 0 ? [] : [section("OPTIONS", own.map(optionTerm).join("\n"))]),
    ...(command.examples.length === 0 ? [] : [section("EXAMPLES", command.examples.map(({ run, shows }) => term(run, shows)).join("\n"))]),
    section("SEE ALSO", ".BR felhom (1)"),
  ]);
}

function mainPage(commands: readonly Command[], version: string): string {
  return page("felhom", version, [
    section("NAME", "felhom \\- keep fleets of self\\-hosted boxes as their operator wants them"),
    section("SYNOPSIS", ".B felhom\n.I noun verb\n[arguments] [options]"),
    section(
      "DESCRIPTION",
      roff(
        "Everything that can change a box is signed on the operator's workstation and verified on the box. The hub stores and forwards; it holds no signing key and can't read a secret.",
      ),
    ),
    section("COMMANDS", commands.map((command) => term(`felhom ${command.path.join(" ")}`, command.summary)).join("\n")),
    section("OPTIONS OF EVERY COMMAND", GLOBAL_OPTIONS.map(optionTerm).join("\n")),
    section("EXIT STATUS", EXIT_CODES.map(([code, means]) => term(String(code), means)).join("\n")),
    section(
      "ENVIRONMENT",
      [
        term("NO_COLOR", "No colour when it is not empty."),
        term("FELHOM_HOME", "The workstation's directory, as --home."),
        term("FELHOM_CONTEXT", "The fleet to talk to, as --context."),
      ].join("\n"),
    ),
    section("FILES", term("~/.config/felhom", "Keys, pinned roots, contexts and sessions of the workstation.")),
  ]);
}

/** No date: the same tables give the same bytes. */
function page(name: string, version: string, sections: readonly string[]): string {
  return [`.TH ${roff(name.toUpperCase())} 1 "" "felhom ${roff(version)}" "felhom manual"`, ...sections].join("\n").concat("\n");
}

function section(title: string, body: string): string {
  return `.SH ${title}\n${body}`;
}

function term(left: string, right: string): string {
  return `.TP\n.B ${roff(left)}\n${roff(right)}`;
}

function optionTerm(option: Option): string {
  return term(flagsOf(option).trim(), summaryOf(option));
}

/** Backslashes, hyphens, and dots or quotes at the start of a line mean something to roff. */
export function roff(text: string): string {
  return text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replaceAll("…", "...")
    .replace(/^([.'])/gm, "\\&$1");
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
