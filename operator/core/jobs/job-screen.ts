import { age, ago, count } from "../../../shared/cli/age.ts";
import { paint } from "../../../shared/cli/colour.ts";
import { escapeUntrusted } from "../../../shared/cli/escape.ts";
import { mark } from "../../../shared/cli/glyph.ts";
import { bar } from "../../../shared/cli/progress.ts";
import { table, truncate, type Cell } from "../../../shared/cli/table.ts";
import type { Terminal } from "../../../shared/ports/terminal.ts";
import { REFUSALS } from "../../../shared/trust/verdict.ts";
import { answerLines, answerMarks } from "./answer-text.ts";
import { foldAnswers, type AnswerGroup } from "./fold-answers.ts";
import type { HostBook, JobBook, Outcome } from "./job-book.ts";
import { openHosts } from "./job-exit.ts";

/** A job as people see it: one live line while it runs; then the answers, the same ones folded, and everyone who did not answer by name. */
export interface JobPaper {
  readonly nowMs: number;
  readonly terminal: Pick<Terminal, "outIsTty" | "columns" | "colour" | "unicode">;
  readonly verbose: boolean;
  /** When boxes that are away can no longer start it. */
  readonly expiresMs: number;
}

const GROUP_LINES_MAX = 20;
const GROUPS_MAX = 20;
const NAMES_SHOWN = 6;

export function jobText(book: JobBook, paper: JobPaper): string {
  const hosts = book.hosts();
  const answered = hosts.filter(({ outcome }) => outcome === "ok");
  const failed = hosts.filter(({ outcome, answer }) => outcome !== "ok" && answer !== undefined && answerLines(answer).length > 1);
  return [answersText(answered, paper), badText(hosts, paper), failedText(failed, paper), summaryText(book, paper)].filter((part) => part !== "").join("\n\n");
}

/** `12 / 17  ███████▌  ok 9  failed 1  waiting 5   41 s   Ctrl-C detaches`, cut to the window. */
export function liveText(book: JobBook, live: { readonly total: number; readonly elapsedMs: number; readonly terminal: Terminal }): string {
  const { terminal } = live;
  const counts = book.counts();
  const total = Math.max(live.total, book.size);
  const over = book.size - openHosts(counts);
  const parts = wordCounts(counts).map(([word, number]) => `${word} ${number}`);
  const head = `${String(over).padStart(String(total).length)} / ${total}`;
  const tail = `${parts.join("  ")}   ${age(live.elapsedMs)}`;
  const room = terminal.columns - head.length - tail.length - 6;
  const drawn = room > 26 ? `${bar(terminal, total === 0 ? 100 : Math.floor((over * 100) / total))}  ` : "";
  const end = room > 26 + 18 ? "   Ctrl-C detaches" : "";
  return `  ${head}  ${drawn}${drawn === "" ? truncate(tail, terminal.columns - head.length - 5, terminal) : tail}${end}`;
}

function wordCounts(counts: ReturnType<JobBook["counts"]>): readonly (readonly [string, number])[] {
  const all: readonly (readonly [string, number])[] = [
    ["ok", counts.ok],
    ["failed", counts.failed],
    ["refused", counts.refused],
    ["busy", counts.busy],
    ["interrupted", counts.interrupted],
    ["unverified", counts.unverified],
    ["running", counts.running],
    ["waiting", counts.waiting],
    ["silent", counts.silent],
    ["expired", counts.expired],
    ["cancelled", counts.cancelled],
  ];
  return all.filter(([word, number]) => number > 0 || word === "ok");
}

function answersText(answered: readonly HostBook[], paper: JobPaper): string {
  const [only] = answered;
  if (only === undefined) return "";
  if (answered.length === 1) return groupText({ hosts: answered, lines: linesOf(only) }, paper);
  const groups = foldAnswers(answered, (host) => linesOf(host, true));
  const rule = paper.terminal.unicode ? "──" : "--";
  const shown = paper.verbose ? groups : groups.slice(0, GROUPS_MAX);
  return [
    paint(paper.terminal, "quiet", `  ${rule} ${count(answered.length, "answer")} in ${count(groups.length, "group")} ${rule}`),
    ...shown.map((group) => groupText(group, paper)),
    ...(shown.length < groups.length ? [paint(paper.terminal, "quiet", `  and ${count(groups.length - shown.length, "group")} more: -v shows all`)] : []),
  ].join("\n");
}

/** What those said that failed, where it is more than the one line that stands beside their names. */
function failedText(failed: readonly HostBook[], paper: JobPaper): string {
  const groups = foldAnswers(failed, (host) => linesOf(host)).slice(0, paper.verbose ? failed.length : GROUPS_MAX);
  return groups.map((group) => groupText(group, paper, "bad")).join("\n");
}

function linesOf({ answer }: HostBook, folded = false): readonly string[] {
  if (answer === undefined) return [];
  const lines = answerLines(answer, { folded });
  return answer.exit === undefined || answer.exit === null || answer.exit === 0 ? lines : [`exit ${answer.exit}`, ...lines];
}

/** `  ✓ 12 hosts  kovacs-1, dental-1 and 10 more`, and below it what they said. */
function groupText({ hosts, lines }: AnswerGroup, { terminal, verbose }: JobPaper, kind: "good" | "bad" = "good"): string {
  const [only] = hosts;
  const took = hosts.length === 1 && only?.answer?.durationMs !== undefined ? age(only.answer.durationMs) : "";
  const names = nameList(hosts, verbose, terminal.outIsTty ? terminal.columns - 16 : Number.POSITIVE_INFINITY);
  const title = hosts.length === 1 ? names : count(hosts.length, "host");
  const aside = hosts.length === 1 ? took : names;
  const head = `  ${mark(terminal, kind, title)}${aside === "" ? "" : `  ${paint(terminal, "quiet", aside)}`}`;
  const marks = only?.answer === undefined ? 0 : answerMarks(only.answer).length;
  return [head, ...outputText({ lines, marks }, verbose, terminal)].join("\n");
}

/** The last `marks` lines say what is missing of the output: they stay when the rest is left out. */
function outputText(
  { lines, marks }: { readonly lines: readonly string[]; readonly marks: number },
  verbose: boolean,
  terminal: JobPaper["terminal"],
): readonly string[] {
  const output = lines.slice(0, lines.length - marks);
  const shown = verbose || output.length <= GROUP_LINES_MAX + 1 ? output : output.slice(0, GROUP_LINES_MAX);
  const room = terminal.outIsTty ? Math.max(16, terminal.columns - 6) : Number.POSITIVE_INFINITY;
  const drawn = (some: readonly string[]): readonly string[] =>
    some.flatMap((line) => wrapped(escapeUntrusted(line.replaceAll("\t", "  ")), room).map((part) => `      ${part}`.trimEnd()));
  return [
    ...drawn(shown),
    ...(shown.length < output.length ? [paint(terminal, "quiet", `      and ${output.length - shown.length} more lines: -v shows all`)] : []),
    ...drawn(lines.slice(output.length)),
  ];
}

function wrapped(text: string, room: number): readonly string[] {
  return Bun.stringWidth(text) <= room ? [text] : Bun.wrapAnsi(text, room, { hard: true, wordWrap: false, trim: false }).split("\n");
}

export function nameList(hosts: readonly { readonly name: string }[], all: boolean, room: number): string {
  const names = hosts.map(({ name }) => escapeUntrusted(name));
  if (all) return names.join(", ");
  const text = (shown: number): string => `${names.slice(0, shown).join(", ")}${shown < names.length ? ` and ${names.length - shown} more` : ""}`;
  for (let shown = Math.min(names.length, NAMES_SHOWN); shown > 1; shown -= 1) if (Bun.stringWidth(text(shown)) <= room) return text(shown);
  return text(1);
}

const BAD: Readonly<Partial<Record<Outcome, "bad" | "warn" | "quiet">>> = {
  unverified: "bad",
  failed: "bad",
  refused: "bad",
  interrupted: "bad",
  busy: "warn",
  running: "quiet",
  waiting: "quiet",
  silent: "warn",
  expired: "warn",
  cancelled: "quiet",
};
const ORDER = Object.keys(BAD);

function badText(hosts: readonly HostBook[], paper: JobPaper): string {
  const rows = hosts
    .filter(({ outcome }) => outcome !== "ok")
    .toSorted((a, b) => ORDER.indexOf(a.outcome) - ORDER.indexOf(b.outcome))
    .map((host): readonly Cell[] => [{ text: host.outcome, style: BAD[host.outcome] ?? "plain" }, host.name, whyText(host, paper)]);
  if (rows.length === 0) return "";
  // No head: the first word of each line says what it is.
  return table([{ title: "" }, { title: "", flex: true }, { title: "", flex: true, least: 20 }], rows, paper.terminal)
    .split("\n")
    .slice(1)
    .join("\n");
}

/** One line on why: the code and its own words, the exit and the end of what the program said, or since when nothing is heard. */
export function whyText(host: HostBook, { nowMs, expiresMs }: Pick<JobPaper, "nowMs" | "expiresMs">): string {
  const { answer, outcome } = host;
  if (outcome === "unverified") return host.unverified ?? "";
  if (answer !== undefined) {
    const ended = answer.signal !== undefined ? `signal ${answer.signal}` : answer.exit !== undefined && answer.exit !== null ? `exit ${answer.exit}` : "";
    const means = answer.detail ?? (answer.code !== undefined && isRefusal(answer.code) ? REFUSALS[answer.code] : "");
    const said = answerLines(answer).at(-1) ?? "";
    return [ended, answer.code === "exit" ? "" : (answer.code ?? ""), means === "" ? said : means].filter((part) => part !== "").join("  ");
  }
  const seen = host.lastSeenMs === null ? "never seen" : `last seen ${ago(host.lastSeenMs, nowMs)}`;
  switch (outcome) {
    case "waiting":
      return `${host.hubState === "delivered" ? `was given it, ${seen}` : host.hubState === "queued" ? "waits for its batch" : seen}; the op waits for it, ${age(Math.max(0, expiresMs - nowMs))} more`;
    case "silent":
      return host.code === "away" ? `${seen}; it was away, and this kind of op does not wait` : `${seen}; it was given the op and never answered`;
    case "expired":
      return `${seen}; its time was over first`;
    default:
      return host.code ?? "";
  }
}

const isRefusal = (code: string): code is keyof typeof REFUSALS => Object.hasOwn(REFUSALS, code);

function summaryText(book: JobBook, { terminal }: JobPaper): string {
  const counts = book.counts();
  const words = wordCounts(counts).map(([word, number]) => `${word} ${number}`);
  return `  ${count(book.size, "host")}: ${words.join(terminal.unicode ? " · " : ", ")}`;
}
