import { parseDuration } from "../../../shared/cli/age.ts";
import type { Command, Globals, Option } from "../../../shared/cli/command.ts";
import { Fault } from "../../../shared/core/fault.ts";

/** Options that every command takes, and those that every mutating command takes besides. */
export const GLOBAL_OPTIONS: readonly Option[] = [
  { name: "output", short: "o", value: "FORM", summary: "table, wide, name, json, jsonl or yaml" },
  { name: "json", summary: "Same as -o json" },
  { name: "quiet", short: "q", summary: "No hints and no progress" },
  { name: "verbose", short: "v", summary: "Say more about what is done" },
  { name: "context", value: "NAME", summary: "The fleet to talk to, instead of the one in use" },
  { name: "timeout", value: "TIME", summary: "Give up after this long, such as 30s or 5m (default 30s)" },
  { name: "no-input", summary: "Never ask; fail where a question would be needed" },
  { name: "color", value: "WHEN", summary: "always, never or auto" },
  { name: "ascii", summary: "No glyphs beyond ASCII" },
  { name: "home", value: "DIR", summary: "Keys, contexts and sessions (default ~/.config/felhom)" },
  { name: "debug", summary: "Show the trace of an error" },
  { name: "help", short: "h", summary: "Examples, arguments and options" },
];

export const MUTATING_OPTIONS: readonly Option[] = [
  { name: "dry-run", summary: "Say what would be done, and do nothing" },
  { name: "yes", short: "y", summary: "Do not ask" },
  { name: "reason", value: "TEXT", summary: "Why, for the audit log" },
];

/** `--home`, `--home=DIR`: may stand before a verb. */
export const isGlobalFlag = (word: string): boolean => GLOBAL_OPTIONS.some(({ name }) => word === `--${name}` || word.startsWith(`--${name}=`));

/** A command's own options first; they win over a global one of the same name. */
export function optionsOf(command: Command): readonly Option[] {
  const own = new Set(command.options.map(({ name }) => name));
  return [
    ...command.options,
    ...(command.mutates ? MUTATING_OPTIONS.filter(({ name }) => !own.has(name)) : []),
    ...GLOBAL_OPTIONS.filter(({ name }) => !own.has(name)),
  ];
}

const FORMS: readonly Globals["output"][] = ["table", "wide", "name", "json", "jsonl", "yaml"];
const TIMEOUT_MS = 30_000;
const TIMEOUT_MS_MAX = 24 * 3_600_000;

type Raw = Readonly<Record<string, string | boolean | readonly string[] | undefined>>;
type Env = Readonly<Record<string, string | undefined>>;

export function globalsOf(options: Raw, env: Env): Globals {
  return {
    output: outputOf(options),
    quiet: options["quiet"] === true,
    verbose: options["verbose"] === true,
    context: text(options["context"]) ?? nonEmpty(env["FELHOM_CONTEXT"]),
    timeoutMs: timeoutOf(text(options["timeout"])),
    input: options["no-input"] !== true,
    dryRun: options["dry-run"] === true,
    yes: options["yes"] === true,
    reason: text(options["reason"]),
    debug: options["debug"] === true,
    home: text(options["home"]) ?? homeOf(env),
  };
}

/** For errors that come before the command line is understood: the form that was probably asked for. */
export function roughGlobals(argv: readonly string[]): Pick<Globals, "output" | "debug"> {
  const at = argv.findIndex((word) => word === "-o" || word === "--output");
  const asked = argv.includes("--json") ? "json" : (argv[at + 1] ?? argv.find((word) => word.startsWith("--output="))?.slice(9));
  return { output: FORMS.find((form) => form === (at < 0 && asked === argv[0] ? undefined : asked)) ?? "table", debug: argv.includes("--debug") };
}

function outputOf(options: Raw): Globals["output"] {
  const asked = text(options["output"]) ?? (options["json"] === true ? "json" : "table");
  const form = FORMS.find((known) => known === asked);
  if (form === undefined) throw new Fault("bad_request", `Cannot print as ${asked}: no such form`, { remedy: `One of ${FORMS.join(", ")}.` });
  return form;
}

function timeoutOf(asked: string | undefined): number {
  if (asked === undefined) return TIMEOUT_MS;
  const ms = /^\d{1,5}$/.test(asked) ? Number(asked) * 1_000 : parseDuration(asked);
  if (ms === undefined || ms <= 0 || ms > TIMEOUT_MS_MAX)
    throw new Fault("bad_request", `Cannot use a time limit of ${asked}`, { remedy: "Write it as 45s, 5m or 1h, at most 24h." });
  return ms;
}

function homeOf(env: Env): string {
  const own = nonEmpty(env["FELHOM_HOME"]);
  if (own !== undefined) return own;
  return `${nonEmpty(env["XDG_CONFIG_HOME"]) ?? `${nonEmpty(env["HOME"]) ?? "/root"}/.config`}/felhom`;
}

function text(value: Raw[string]): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function nonEmpty(value: string | undefined): string | undefined {
  return value === "" ? undefined : value;
}
