import type { ExitCode } from "../shared/cli/command.ts";
import type { Terminal } from "../shared/ports/terminal.ts";
import type { World } from "../shared/ports/world.ts";
import type { Tables } from "./tables.ts";
import { asksVersion, versionLine } from "./version-line.ts";

/**
 * The command line's entry: everything but the long-running roles comes through here. `version` is answered at once: no parser,
 * no table, no World (a `get world()` of the caller is then never called). All else is loaded when it is known to be needed.
 */
export interface Invocation {
  /** Without the program's name. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly terminal: Terminal;
  readonly world: World;
  /** Tables of the other roles, by noun. */
  readonly tables: Tables;
}

export async function runCommand(invocation: Invocation): Promise<ExitCode> {
  if (asksVersion(invocation.argv)) {
    invocation.terminal.out(`${versionLine()}\n`);
    return 0;
  }
  const { run } = await import("./run.ts");
  return run(invocation);
}
