import { fromUtf8 } from "../../shared/core/bytes.ts";
import { Fault } from "../../shared/core/fault.ts";
import type { Exec } from "../../shared/ports/exec.ts";

/**
 * A bundle's message when none is given: the commit that the fleet directory is at, and whether there is more in it than git has. No git, no
 * repository: no message, never an error. Hooks and monitors of the repository's own configuration are not run.
 */
const TIMEOUT_MS = 5_000;
const OUTPUT_BYTES_MAX = 16 * 1024;

export async function gitMessage(exec: Exec, dir: string, env: Readonly<Record<string, string | undefined>>): Promise<string | undefined> {
  const commit = await git(exec, dir, env, ["log", "-1", "--format=%h %s"]);
  if (commit === undefined || commit === "") return undefined;
  const status = await git(exec, dir, env, ["status", "--porcelain", "--", "."]);
  return status === undefined || status === "" ? commit : `${commit} + uncommitted changes`;
}

async function git(exec: Exec, dir: string, env: Readonly<Record<string, string | undefined>>, args: readonly string[]): Promise<string | undefined> {
  try {
    const done = await exec.run("publish.git", {
      argv: ["git", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-C", dir, ...args],
      env: { PATH: env["PATH"] ?? "/usr/bin:/bin", HOME: env["HOME"] ?? "/", LC_ALL: "C.UTF-8", GIT_OPTIONAL_LOCKS: "0", GIT_TERMINAL_PROMPT: "0" },
      timeoutMs: TIMEOUT_MS,
      outputBytesMax: OUTPUT_BYTES_MAX,
    });
    return done.code === 0 ? fromUtf8(done.stdout).trim() : undefined;
  } catch (error) {
    if (error instanceof Fault || error instanceof TypeError) return undefined;
    throw error;
  }
}
