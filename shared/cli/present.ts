import type { Call } from "./command.ts";
import { isoTime } from "./age.ts";
import { safeJson } from "./escape.ts";
import { yamlText } from "./yaml-text.ts";
import { paint } from "./colour.ts";

/**
 * One answer, in the form that was asked for. Answers go to stdout; the suggestion of what to run next goes to stderr, so that a
 * pipe gets data only. Machine forms carry `apiVersion`, `kind` and `generatedAt` from the first release on.
 */
export interface Answer {
  /** `HostList`, `Plan`: lists end in `List` and have `items`. */
  readonly kind: string;
  /** Plain data, camelCase, times as ISO strings. */
  readonly data: Readonly<Record<string, unknown>>;
  /** The text for people. Untrusted parts escaped (`table` and `fields` do it; else `escapeUntrusted`). No final line feed. */
  readonly human: () => string;
  /** The next command worth running. */
  readonly next?: string | undefined;
}

export const API_VERSION = "felhom/v1";

export function present(call: Pick<Call, "globals" | "terminal" | "world">, answer: Answer): void {
  const { terminal, globals } = call;
  switch (globals.output) {
    case "json":
      terminal.out(`${safeJson(envelopeOf(call, answer))}\n`);
      return;
    case "yaml":
      terminal.out(yamlText(envelopeOf(call, answer)));
      return;
    case "jsonl":
      for (const line of jsonLines(answer)) terminal.out(`${safeJson(line)}\n`);
      return;
    case "name":
      for (const name of namesOf(answer)) terminal.out(`${safeJson(name).slice(1, -1)}\n`);
      return;
    case "table":
    case "wide": {
      const text = answer.human();
      if (text !== "") terminal.out(`${text}\n`);
      if (answer.next !== undefined) suggest(call, answer.next);
    }
  }
}

/** One line of a stream (`event follow`, progress for machines): jsonl whenever a machine form is asked for. */
export function presentLine(
  call: Pick<Call, "globals" | "terminal">,
  line: { readonly type: string; readonly data: Readonly<Record<string, unknown>>; readonly human: () => string },
): void {
  const { output } = call.globals;
  call.terminal.out(`${output === "table" || output === "wide" ? line.human() : safeJson({ type: line.type, ...line.data })}\n`);
}

/** Progress and remarks: stderr, for people only, not with `--quiet`. */
export function hint(call: Pick<Call, "globals" | "terminal">, text: string): void {
  if (!call.globals.quiet && isHuman(call.globals)) call.terminal.err(`${text}\n`);
}

export function suggest(call: Pick<Call, "globals" | "terminal">, next: string): void {
  if (!call.globals.quiet) call.terminal.err(`${paint(call.terminal, "quiet", "Next:")} ${next}\n`);
}

export function isHuman(globals: Pick<Call["globals"], "output">): boolean {
  return globals.output === "table" || globals.output === "wide";
}

function envelopeOf(call: Pick<Call, "world">, answer: Answer): Readonly<Record<string, unknown>> {
  return { apiVersion: API_VERSION, kind: answer.kind, generatedAt: isoTime(call.world.clock.wallMs()), ...answer.data };
}

function jsonLines(answer: Answer): readonly Readonly<Record<string, unknown>>[] {
  const { items, summary, ...rest } = answer.data;
  if (!Array.isArray(items)) return [{ type: lineType(answer.kind), ...answer.data }];
  const lines = items.map((item: unknown) => (isRecord(item) ? { type: lineType(answer.kind), ...item } : { type: lineType(answer.kind), value: item }));
  return [...lines, { type: "summary", count: items.length, ...rest, ...(isRecord(summary) ? summary : {}) }];
}

/** `HostList` → `host`, `BundleDiff` → `bundle-diff`. */
function lineType(kind: string): string {
  return kind
    .replace(/List$/, "")
    .replace(/([a-z0-9])([A-Z])/g, "$1-$2")
    .toLowerCase();
}

function namesOf(answer: Answer): readonly string[] {
  const { items } = answer.data;
  const of = (item: unknown): string => {
    if (!isRecord(item)) return String(item);
    const name = item["name"] ?? item["id"] ?? item["version"] ?? item["seq"];
    return typeof name === "string" || typeof name === "number" ? String(name) : "";
  };
  return (Array.isArray(items) ? items.map(of) : [of(answer.data)]).filter((name) => name !== "");
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
