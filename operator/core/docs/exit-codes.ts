import type { ExitCode } from "../../../shared/cli/command.ts";
import { FAULTS } from "../../../shared/core/fault-code.ts";
import { REFUSALS } from "../../../shared/trust/verdict.ts";
import { markdownTable } from "./markdown.ts";

/** The meaning of every exit code (cli.md 2.3), and the page of all codes, generated from the tables that the program itself uses. */
export const EXIT_CODES = [
  [0, "Done, or nothing to do."],
  [1, "Failed."],
  [2, "Wrong usage or a wrong setting."],
  [3, "Differences exist (with --exit-code)."],
  [4, "Some targets failed."],
  [5, "Some targets gave no answer in time, and none failed."],
  [6, "Queued: it waits for an approval or a signature."],
  [7, "Authentication or verification failed: a bad signature, an unknown key, an attempt to roll back."],
  [8, "Refused by a guard: a window, a policy, a quorum."],
  [9, "Stale: the state moved since it was looked at."],
  [75, "Temporary: no hub could be reached. Try again later."],
  [124, "A time limit was reached."],
  [130, "Interrupted."],
] as const satisfies readonly (readonly [ExitCode, string])[];

export function codesPage(): string {
  const faults = Object.entries(FAULTS).map(([code, { exit, status, means }]) => [`\`${code}\``, String(exit), String(status), means]);
  const refusals = Object.entries(REFUSALS).map(([code, means]) => [`\`${code}\``, means]);
  return [
    "# Codes",
    "Every error names a code. Codes are stable: scripts may switch on them. `--debug` adds the trace.",
    "## Exit codes",
    "4 stands before 5 when both would fit.",
    markdownTable(
      ["exit", "meaning"],
      EXIT_CODES.map(([code, means]) => [String(code), means]),
    ),
    "## Fault codes",
    "In `-o json` an error is one JSON object on stderr with `code`, `title`, `detail`, `remedy`; the hub's API answers with the same code in an RFC 9457 problem of the given status.",
    markdownTable(["code", "exit", "HTTP", "meaning"], faults),
    "## Refusals",
    "Why something signed was not believed. They come with exit 7.",
    markdownTable(["code", "meaning"], refusals),
  ]
    .join("\n\n")
    .concat("\n");
}
