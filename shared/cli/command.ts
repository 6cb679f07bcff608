import type { Terminal } from "../ports/terminal.ts";
import type { World } from "../ports/world.ts";

/**
 * A command is data: parsing, help, completion, man pages and the reference page all read the same table. The code behind it is
 * loaded only when it runs. Tables are one file per noun in `operator/table/`, code is one file per command in `operator/commands/`.
 */
export interface Command {
  /** `["host", "list"]`. */
  readonly path: readonly [string, ...string[]];
  readonly summary: string;
  readonly examples: readonly { readonly run: string; readonly shows: string }[];
  readonly args: readonly Argument[];
  /** What `--` begins: every word after it as it stands, also those that look like options. Without this, `--` only ends the options. */
  readonly after?: Argument;
  readonly options: readonly Option[];
  /** Adds `--dry-run`, `--yes` and `--reason`. */
  readonly mutates: boolean;
  /**
   * Only where two roles have a command of the same path (`status`, `doctor`): the box's command says here whether this machine is
   * a box (an agent's socket or data directory is there). Otherwise the operator's command runs.
   */
  readonly isHere?: (call: Call) => boolean;
  readonly load: () => Promise<{ readonly run: Run }>;
}

export interface Argument {
  readonly name: string;
  readonly summary: string;
  readonly required: boolean;
  readonly many?: boolean;
}

export interface Option {
  /** Long name without dashes: `expires`. */
  readonly name: string;
  readonly short?: string;
  /** Absent: a boolean flag. */
  readonly value?: string;
  readonly many?: boolean;
  readonly required?: boolean;
  readonly default?: string;
  readonly summary: string;
}

export type Run = (call: Call) => Promise<ExitCode>;
/** From cli.md. */
export type ExitCode = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 75 | 124 | 130;

export interface Call {
  readonly args: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** Boolean flags are true or absent; repeated options are lists. */
  readonly options: Readonly<Record<string, string | boolean | readonly string[] | undefined>>;
  readonly globals: Globals;
  readonly world: World;
  readonly terminal: Terminal;
  /** The environment, for the few commands that pass it on (an editor, an agent socket). Settings never come from here. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Every command of every role, for completion scripts and manual pages. The parser sets it. */
  readonly catalogue?: () => Promise<readonly Command[]>;
}

export interface Globals {
  readonly output: "table" | "wide" | "name" | "json" | "jsonl" | "yaml";
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly context: string | undefined;
  readonly timeoutMs: number;
  readonly input: boolean;
  readonly dryRun: boolean;
  readonly yes: boolean;
  readonly reason: string | undefined;
  readonly debug: boolean;
  /** The workstation's directory: keys, contexts, pinned roots, sessions. Default `~/.config/felhom`. */
  readonly home: string;
}
