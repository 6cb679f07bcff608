import { wantsColour, wantsUnicode } from "../shared/cli/colour.ts";
import type { Call, Command, ExitCode } from "../shared/cli/command.ts";
import { faultScreen } from "../shared/cli/fault-screen.ts";
import { Fault, isFault } from "../shared/core/fault.ts";
import type { Terminal } from "../shared/ports/terminal.ts";
import { didYouMean } from "./core/cli/did-you-mean.ts";
import { findCommand, wordsOf } from "./core/cli/find-command.ts";
import { globalsOf, isGlobalFlag, roughGlobals } from "./core/cli/global-options.ts";
import type { Invocation } from "./mode.ts";
import { OPERATOR_TABLES, type Table, type Tables } from "./tables.ts";

/**
 * From words to an exit code: finds the noun, loads its table and no other, parses, runs, and turns whatever is thrown into a
 * screen and a code. The only catch of a command is here.
 */
const INTERRUPT_GRACE_MS = 2_000;

export async function run(invocation: Invocation): Promise<ExitCode> {
  const { argv } = invocation;
  const terminal = withFlags(invocation.terminal, ownWords(argv), invocation.env);
  let path: Command["path"] | undefined;
  try {
    const tables = joinedTables(invocation.tables);
    const command = await chosen(tables, argv, terminal);
    path = typeof command === "number" ? undefined : command.command.path;
    return typeof command === "number" ? command : await runOne(command.command, command.rest, { ...invocationParts(invocation), terminal, tables });
  } catch (error) {
    // Whoever read our output has enough (`| head`): nothing failed.
    if (isFault(error, "pipe_closed")) return 0;
    if (terminal.interrupted.aborted || isFault(error, "interrupted")) return 130;
    return screen(error, path, invocation, terminal);
  }
}

/** The world stays unread until a command runs. */
function invocationParts(invocation: Invocation): Pick<Invocation, "env" | "cwd"> & { readonly invocation: Invocation } {
  return { env: invocation.env, cwd: invocation.cwd, invocation };
}

interface Running {
  readonly env: Invocation["env"];
  readonly cwd: string;
  readonly invocation: Invocation;
  readonly terminal: Terminal;
  readonly tables: Tables;
}

async function runOne(command: Command, rest: readonly string[], running: Running): Promise<ExitCode> {
  const { parseCommand } = await import("./core/cli/parse-command.ts");
  const { args, options } = parseCommand(command, rest);
  const { world } = running.invocation;
  const { terminal } = running;
  const call: Call = {
    args,
    options,
    globals: globalsOf(options, running.env),
    world,
    terminal,
    env: running.env,
    cwd: running.cwd,
    catalogue: () => allCommands(running.tables),
  };
  const loaded = await command.load();
  const ran = loaded.run(call);
  const interrupted = aborted(terminal.interrupted).then(async (): Promise<ExitCode> => {
    // Commands that listen to `interrupted` end tidily; those that cannot are not waited for.
    await world.clock.sleep(INTERRUPT_GRACE_MS, new AbortController().signal);
    return 130;
  });
  const code = await Promise.race([ran, interrupted]);
  return terminal.interrupted.aborted ? 130 : code;
}

/** The command that is meant, or the exit code of the help that was printed instead. */
async function chosen(
  tables: Tables,
  argv: readonly string[],
  terminal: Terminal,
): Promise<{ readonly command: Command; readonly rest: readonly string[] } | ExitCode> {
  const words = wordsOf(argv).map(({ text }) => text);
  const [noun] = words;
  if (noun === undefined || noun === "help") return help(tables, words.slice(1), terminal);
  const table = tables[noun];
  if (table === undefined) {
    throw new Fault("bad_request", `Cannot run felhom ${noun}: no such command`, {
      remedy: guess(noun, [...Object.keys(tables), "help"], "felhom") ?? `felhom help ${noun} searches for the word; felhom help lists all commands.`,
    });
  }
  if (asksHelp(argv)) return help(tables, words, terminal);
  const { commands } = await table();
  const found = findCommand(commands, argv);
  if (found !== undefined) return found;
  const verbs = commands.flatMap(({ path }) => path.slice(1, 2));
  const verb = words[1];
  if (verb === undefined) {
    const flag = ownWords(argv).find((word) => word.startsWith("--") && !isGlobalFlag(word));
    if (flag !== undefined)
      throw new Fault("bad_request", `Cannot run felhom ${noun} ${flag.replace(/=.*$/s, "")}: it takes a verb first`, {
        remedy: `felhom ${noun} knows ${verbs.join(", ")}.`,
      });
    const { nounHelp } = await import("./core/cli/help-text.ts");
    terminal.err(`${nounHelp(noun, commands, terminal)}\n`);
    return 2;
  }
  throw new Fault("bad_request", `Cannot run felhom ${noun} ${verb}: no such verb`, {
    remedy: guess(verb, verbs, `felhom ${noun}`) ?? `felhom ${noun} knows ${verbs.join(", ")}.`,
  });
}

async function help(tables: Tables, words: readonly string[], terminal: Terminal): Promise<ExitCode> {
  const { commandHelp, globalHelp, nounHelp, overview, searchCommands, section } = await import("./core/cli/help-text.ts");
  const print = (text: string): ExitCode => {
    terminal.out(`${text}\n`);
    return 0;
  };
  const [noun] = words;
  if (noun === "global") return print(globalHelp(terminal));
  const table = noun === undefined ? undefined : tables[noun];
  if (noun !== undefined && table !== undefined) {
    const { commands } = await table();
    const one = findCommand(commands, words);
    if (one !== undefined && (one.command.path.length > 1 || commands.length === 1)) return print(commandHelp(one.command, terminal));
    if (words.length === 1)
      return print(one === undefined ? nounHelp(noun, commands, terminal) : `${commandHelp(one.command, terminal)}\n\n${nounHelp(noun, commands, terminal)}`);
  }
  const all = await allCommands(tables);
  if (noun === undefined) return print(overview(all, terminal));
  const found = searchCommands(all, words);
  if (found.length === 0) throw new Fault("not_found", `Cannot find help on ${words.join(" ")}`, { remedy: "felhom help lists all commands." });
  return print(
    section(
      `Commands about ${words.join(" ")}`,
      found.slice(0, 20).map((command) => [`felhom ${command.path.join(" ")}`, command.summary]),
      terminal,
    ),
  );
}

export async function allCommands(tables: Tables): Promise<readonly Command[]> {
  const loaded: readonly Table[] = await Promise.all(Object.values(tables).map((load) => load()));
  return loaded.flatMap(({ commands }) => commands);
}

function asksHelp(argv: readonly string[]): boolean {
  const own = ownWords(argv);
  return own.includes("--help") || own.includes("-h");
}

/** Without what comes after `--`: those words are for a program on a box. */
function ownWords(argv: readonly string[]): readonly string[] {
  const end = argv.indexOf("--");
  return end < 0 ? argv : argv.slice(0, end);
}

function guess(typed: string, known: readonly string[], prefix: string): string | undefined {
  const guesses = didYouMean(typed, known);
  return guesses.length === 0 ? undefined : `Did you mean ${guesses.map((word) => `${prefix} ${word}`).join(" or ")}?`;
}

function withFlags(terminal: Terminal, argv: readonly string[], env: Invocation["env"]): Terminal {
  const at = argv.indexOf("--color");
  const flag = at >= 0 ? argv[at + 1] : argv.find((word) => word.startsWith("--color="))?.slice("--color=".length);
  const colour = flag === undefined ? terminal.colour : wantsColour({ flag, env, isTty: terminal.outIsTty });
  const unicode = argv.includes("--ascii") ? wantsUnicode({ ascii: true, env }) : terminal.unicode;
  // A live width: windows are resized while something is followed.
  return Object.create(terminal, { colour: { value: colour, enumerable: true }, unicode: { value: unicode, enumerable: true } });
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

function screen(error: unknown, path: Command["path"] | undefined, invocation: Invocation, terminal: Terminal): ExitCode {
  try {
    return faultScreen(error, { globals: roughGlobals(ownWords(invocation.argv)), path, terminal, nowMs: invocation.world.clock.wallMs() });
  } catch (again) {
    if (isFault(again, "pipe_closed")) return 1;
    throw again;
  }
}

/** A noun that two roles serve (`status`, `doctor`): the other role's commands come first, see `eitherOf`. */
export function joinedTables(others: Tables): Tables {
  const own = OPERATOR_TABLES;
  const nouns = new Set([...Object.keys(own), ...Object.keys(others)]);
  return Object.fromEntries(
    [...nouns].flatMap((noun) => {
      const [a, b] = [others[noun], own[noun]];
      const load =
        a === undefined ? b : b === undefined ? a : async (): Promise<Table> => (await import("./core/cli/either-of.ts")).eitherTable(await a(), await b());
      return load === undefined ? [] : [[noun, load] as const];
    }),
  );
}
