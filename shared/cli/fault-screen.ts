import { Fault, flatten } from "../core/fault.ts";
import { FAULTS, type FaultCode } from "../core/fault-code.ts";
import type { Terminal } from "../ports/terminal.ts";
import { paint } from "./colour.ts";
import type { ExitCode, Globals } from "./command.ts";
import { escapeLines, escapeUntrusted, safeJson } from "./escape.ts";
import { glyph } from "./glyph.ts";
import { isoTime } from "./age.ts";
import { API_VERSION } from "./present.ts";

/**
 * The one place where an error becomes text: what failed, why, what to run next, and the stable code. Goes to stderr, so a pipe
 * never takes an error for an answer. Machine forms get one JSON object there, in the fields of an RFC 9457 problem.
 */
export function faultScreen(
  error: unknown,
  shown: {
    readonly globals: Pick<Globals, "output" | "debug">;
    /** Of the command that ran, when one was found. */
    readonly path?: readonly string[] | undefined;
    readonly terminal: Terminal;
    readonly nowMs: number;
  },
): ExitCode {
  const { terminal, globals } = shown;
  const known = error instanceof Fault;
  const code = known ? error.code : "defect";
  const exit = known ? exitOf(error) : 1;
  const title = known ? error.message : "felhom has met a defect of its own and stopped";
  const why = known ? [EXPLAINED.test(error.code) ? FAULTS[error.code].means : "", causeText(error)].filter((part) => part !== "").join(" ") : flatten(error);
  const remedy = known ? (error.remedy ?? usageOf(error, shown.path) ?? REMEDIES[error.code]) : "Run the same command with --debug and report what it prints.";
  if (globals.output !== "table" && globals.output !== "wide") {
    const body = {
      apiVersion: API_VERSION,
      kind: "Error",
      generatedAt: isoTime(shown.nowMs),
      code,
      title,
      detail: why,
      remedy,
      facts: known ? error.facts : undefined,
      exit,
      trace: globals.debug && error instanceof Error ? error.stack : undefined,
    };
    terminal.err(`${safeJson(globals.output === "jsonl" ? { type: "error", ...body } : body)}\n`);
    return exit;
  }
  const name = (text: string): string => paint(terminal, "quiet", text.padEnd(5));
  const lines = [`${paint(terminal, "bad", glyph(terminal, "bad"))} ${wrapped(escapeLines(title), terminal, 2)}`];
  if (why !== "") lines.push(`  ${name("why")} ${wrapped(escapeUntrusted(why), terminal, 8)}`);
  if (remedy !== undefined) lines.push(`  ${name("next")} ${wrapped(escapeUntrusted(remedy), terminal, 8)}`);
  lines.push(`  ${name("code")} ${code}, exit ${exit}`);
  if (globals.debug && error instanceof Error) lines.push("", escapeLines(error.stack ?? String(error)), ...causes(error));
  terminal.err(`${lines.join("\n")}\n`);
  return exit;
}

/** Codes whose message names the thing only; for all others it says it all, and the code's own sentence would say it again. */
const EXPLAINED = /^(?:db_|disk_|exec_|net_|hub_nonsense$|lock_held$|rate_limited$|unavailable$)/;

/** What to run when the fault itself does not say. */
const REMEDIES: Partial<Readonly<Record<FaultCode, string>>> = {
  bad_request: "felhom help COMMAND shows what it takes.",
  conflict: "Look at it again, then repeat the command.",
  db_damaged: "felhom hub restore brings back a backup.",
  db_full: "Free some space where that database lies, then run the same command again: nothing was half written.",
  denied: "felhom login with a key that has the role, or ask an admin of the fleet.",
  disk_full: "Free some space, then run the same command again: nothing was half written.",
  file_missing: "Look at the path: there is nothing of that name.",
  lock_held: "Wait for the other felhom process to end, or stop it.",
  net_timeout: "felhom doctor --hub looks at each part of the way to the hub.",
  net_tls: "Compare the pin with the one that the hub prints when it starts. Do not go on before you know why they differ.",
  net_unreachable: "felhom doctor --hub looks at each part of the way to the hub.",
  rate_limited: "Wait a minute, then run the same command again.",
  unauthenticated: "felhom login",
  unavailable: "Try again in a minute; felhom doctor --hub tells more.",
};

function usageOf(error: Fault, path: readonly string[] | undefined): string | undefined {
  return error.code === "bad_request" && path !== undefined ? `felhom ${path.join(" ")} --help shows what it takes.` : undefined;
}

/** Hanging indent, on a terminal only: in a log one line stays one line. */
function wrapped(text: string, terminal: Terminal, indent: number): string {
  if (terminal.errIsTty !== true) return text;
  return Bun.wrapAnsi(text, Math.max(24, terminal.columns - indent), { hard: true, trim: true }).replaceAll("\n", `\n${" ".repeat(indent)}`);
}

function causeText(error: Fault): string {
  return error.cause === undefined ? "" : `(${flatten(error.cause)})`;
}

function causes(error: Error): readonly string[] {
  const lines: string[] = [];
  for (let at: unknown = error.cause, depth = 0; at instanceof Error && depth < 8; at = at.cause, depth += 1)
    lines.push(`caused by ${escapeLines(at.stack ?? String(at))}`);
  return lines;
}

const EXITS: readonly ExitCode[] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 75, 124, 130];

function exitOf(fault: Fault): ExitCode {
  return EXITS.find((code) => code === fault.exit) ?? 1;
}
