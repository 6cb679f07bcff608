import type { Command, Option } from "../../../shared/cli/command.ts";
import { optionsOf } from "./global-options.ts";

/**
 * Completion scripts for bash, zsh and fish, generated from the command tables. They are plain data in shell syntax: completing never
 * starts felhom, so a Tab costs nothing and never asks a hub.
 */
export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

export function completionScript(shell: Shell, commands: readonly Command[]): string {
  switch (shell) {
    case "bash":
      return bash(commands);
    case "zsh":
      return zsh(commands);
    case "fish":
      return fish(commands);
  }
}

interface Node {
  readonly words: string;
  readonly next: readonly string[];
  readonly flags: readonly string[];
}

/** For every prefix of a path: the words that may follow, and the flags once the path is whole. */
function nodes(commands: readonly Command[]): readonly Node[] {
  const prefixes = new Set(commands.flatMap(({ path }) => path.map((_, at) => path.slice(0, at).join(" ")).concat(path.join(" "))));
  return [...prefixes].toSorted().map((words) => {
    const length = words === "" ? 0 : words.split(" ").length;
    const below = commands.filter(({ path }) => path.length > length && path.slice(0, length).join(" ") === words);
    const self = commands.find(({ path }) => path.join(" ") === words);
    return {
      words,
      next: [...new Set(below.map(({ path }) => path[length] ?? ""))].toSorted(),
      flags: self === undefined ? [] : optionsOf(self).map(({ name }) => `--${name}`),
    };
  });
}

function bash(commands: readonly Command[]): string {
  const cases = nodes(commands).map(
    ({ words, next, flags }) => `    ${JSON.stringify(words)}) words=${quote(next.join(" "))}; flags=${quote(flags.join(" "))} ;;`,
  );
  return `# bash completion for felhom. Load it with: source <(felhom completion bash)
_felhom() {
  local current="\${COMP_WORDS[COMP_CWORD]}" path="" word words="" flags="" at
  for ((at = 1; at < COMP_CWORD; at++)); do
    word="\${COMP_WORDS[at]}"
    [[ $word == -* ]] && continue
    case "\${path:+$path }$word" in
      ${paths(commands)
        .map((path) => JSON.stringify(path))
        .join("|")}) path="\${path:+$path }$word" ;;
    esac
  done
  case "$path" in
${cases.join("\n")}
  esac
  if [[ $current == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$flags" -- "$current")
  elif [[ -n $words ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
  else
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
  fi
}
complete -o filenames -F _felhom felhom
`;
}

function zsh(commands: readonly Command[]): string {
  const cases = nodes(commands).map(({ words, next }) => {
    const self = commands.find(({ path }) => path.join(" ") === words);
    const described = next.map((word) => `${word}:${describe(summaryAt(commands, [...(words === "" ? [] : words.split(" ")), word]))}`);
    const flags = self === undefined ? [] : optionsOf(self).map((option) => `--${option.name}:${describe(option.summary)}`);
    return `    ${quote(words)}) words_here=(${described.map(quote).join(" ")}); flags=(${flags.map(quote).join(" ")}) ;;`;
  });
  return `#compdef felhom
# zsh completion for felhom. Load it with: source <(felhom completion zsh)
_felhom() {
  local path="" word
  local -a words_here flags
  for word in \${words[2,CURRENT-1]}; do
    [[ $word == -* ]] && continue
    case "\${path:+$path }$word" in
      ${paths(commands).map(quote).join("|")}) path="\${path:+$path }$word" ;;
    esac
  done
  case "$path" in
${cases.join("\n")}
  esac
  if [[ \${words[CURRENT]} == -* ]]; then
    _describe option flags
  elif (( \${#words_here} )); then
    _describe command words_here
  else
    _files
  fi
}
compdef _felhom felhom
`;
}

function fish(commands: readonly Command[]): string {
  const lines = ["# fish completion for felhom. Load it with: felhom completion fish | source"];
  lines.push(
    "function __felhom_at",
    "    set -l path",
    "    for word in (commandline -opc)[2..]",
    "        string match -q -- '-*' $word; and continue",
    "        set -l longer (string join ' ' $path $word)",
    `        contains -- $longer ${paths(commands).map(quote).join(" ")}; and set -a path $word`,
    "    end",
    '    test "$path" = "$argv"',
    "end",
  );
  for (const { words, next } of nodes(commands)) {
    const condition = `-n ${quote(`__felhom_at ${words}`.trim())}`;
    for (const word of next)
      lines.push(`complete -c felhom ${condition} -f -a ${quote(word)} -d ${quote(summaryAt(commands, [...(words === "" ? [] : words.split(" ")), word]))}`);
    const self = commands.find(({ path }) => path.join(" ") === words);
    for (const option of self === undefined ? [] : optionsOf(self))
      lines.push(`complete -c felhom ${condition} ${fishFlag(option)} -d ${quote(option.summary)}`);
  }
  return `${lines.join("\n")}\n`;
}

function fishFlag(option: Option): string {
  return `-l ${option.name}${option.short === undefined ? "" : ` -s ${option.short}`}${option.value === undefined ? "" : " -r"}`;
}

function paths(commands: readonly Command[]): readonly string[] {
  return nodes(commands)
    .map(({ words }) => words)
    .filter((words) => words !== "");
}

/** A command's own summary, or the verbs below a noun. */
function summaryAt(commands: readonly Command[], words: readonly string[]): string {
  const name = words.join(" ");
  const self = commands.find(({ path }) => path.join(" ") === name);
  if (self !== undefined) return self.summary;
  return [...new Set(commands.filter(({ path }) => path.slice(0, words.length).join(" ") === name).map(({ path }) => path[words.length] ?? ""))].join(", ");
}

/** zsh splits `word:description` at the first colon. */
function describe(text: string): string {
  return text.replaceAll(":", "\\:");
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
