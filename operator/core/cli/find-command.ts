import type { Command, Option } from "../../../shared/cli/command.ts";
import { GLOBAL_OPTIONS } from "./global-options.ts";

/**
 * Where the words of a command stand among its options: `felhom --context home host -o json list kovacs-1`. Only global options
 * may stand before the last word of a path, so this needs no table yet, and only the named noun's table is loaded.
 */
export interface Words {
  readonly words: readonly { readonly text: string; readonly at: number }[];
}

export function wordsOf(argv: readonly string[]): Words["words"] {
  const words: { text: string; at: number }[] = [];
  for (let at = 0; at < argv.length; at += 1) {
    const token = argv[at] ?? "";
    if (token === "--") break;
    if (!token.startsWith("-") || token === "-") words.push({ text: token, at });
    else if (takesNext(token)) at += 1;
  }
  return words;
}

function takesNext(token: string): boolean {
  return GLOBAL_OPTIONS.some(
    (option: Option) => option.value !== undefined && (token === `--${option.name}` || (option.short !== undefined && token === `-${option.short}`)),
  );
}

/** The command with the longest path that the words begin with, and the arguments without that path. */
export function findCommand(
  commands: readonly Command[],
  argv: readonly string[],
): { readonly command: Command; readonly rest: readonly string[] } | undefined {
  const words = wordsOf(argv);
  const found = commands
    .filter(({ path }) => path.every((word, at) => words[at]?.text === word))
    .toSorted((a, b) => b.path.length - a.path.length)
    .at(0);
  if (found === undefined) return undefined;
  const taken = new Set(words.slice(0, found.path.length).map(({ at }) => at));
  return { command: found, rest: argv.filter((_, at) => !taken.has(at)) };
}
