import { count } from "../../../shared/cli/age.ts";
import type { Style } from "../../../shared/cli/colour.ts";
import { paint } from "../../../shared/cli/colour.ts";
import { escapeUntrusted } from "../../../shared/cli/escape.ts";
import { glyph } from "../../../shared/cli/glyph.ts";
import type { Terminal } from "../../../shared/ports/terminal.ts";
import type { Change } from "./compare-resources.ts";
import type { Folded, HostPlan } from "./fleet-plan.ts";
import { foldChanges, foldFaults, foldNotes, planCounts } from "./fleet-plan.ts";

/** A plan for people: identical changes of many hosts are one line with a count, then a diff; the last line counts. */
const NAMES_SHOWN_MAX = 3;
const SIGNS: Readonly<Record<Change["action"], { readonly sign: string; readonly style: Style }>> = {
  add: { sign: "+", style: "good" },
  change: { sign: "~", style: "warn" },
  remove: { sign: "-", style: "bad" },
};

type Screen = Pick<Terminal, "colour" | "unicode" | "columns" | "outIsTty">;

export function planScreen(hosts: readonly HostPlan[], terminal: Screen): string {
  const lines = [
    ...foldChanges(hosts).flatMap((folded) => changeLines(folded, hosts, terminal)),
    ...foldFaults(hosts).flatMap(({ what, hosts: names }) => [
      `  ${paint(terminal, "bad", `${glyph(terminal, "bad")} ${escapeUntrusted(what.file)}${what.line === 0 ? "" : `:${what.line}`}`)}${what.path === "" ? "" : ` ${escapeUntrusted(what.path)}`}  ${escapeUntrusted(what.message)}${whose(names, hosts, terminal)}`,
      ...(what.remedy === undefined ? [] : [`      ${paint(terminal, "quiet", escapeUntrusted(what.remedy))}`]),
    ]),
    ...foldNotes(hosts).map(({ what, hosts: names }) => `  ${paint(terminal, "warn", `! ${escapeUntrusted(what)}`)}${whose(names, hosts, terminal)}`),
  ];
  return [...lines, countsLine(hosts, terminal)].join("\n");
}

function changeLines({ what, hosts: names }: Folded<Change>, all: readonly HostPlan[], terminal: Screen): readonly string[] {
  const { sign, style } = SIGNS[what.action];
  const [only] = what.differences;
  const isOneLine = what.differences.length === 1 && only !== undefined && only.length < 60;
  const about = what.action === "remove" ? "  no longer managed; nothing is undone" : isOneLine ? `  ${arrows(only, terminal)}` : "";
  return [
    `  ${paint(terminal, style, `${sign} ${escapeUntrusted(what.resource)}`)}${escapeUntrusted(about)}${whose(names, all, terminal)}`,
    ...(isOneLine ? [] : what.differences.map((line) => `      ${escapeUntrusted(arrows(line, terminal))}`)),
    ...what.diff
      .filter((line) => !line.startsWith("--- ") && !line.startsWith("+++ "))
      .map((line) => `      ${paint(terminal, diffStyle(line), escapeUntrusted(line))}`),
  ];
}

const arrows = (text: string, { unicode }: Screen): string => (unicode ? text : text.replaceAll("→", "->").replaceAll("…", "..."));
const diffStyle = (line: string): Style =>
  line.startsWith("+") ? "good" : line.startsWith("-") ? "bad" : line.startsWith("@@") || line.startsWith("(") ? "quiet" : "plain";

/** `  3 hosts (a, b, c)`; nothing when there is one host in all. */
function whose(names: readonly string[], all: readonly HostPlan[], terminal: Screen): string {
  if (all.length === 1) return "";
  const listed = names.length <= NAMES_SHOWN_MAX ? ` (${names.map(escapeUntrusted).join(", ")})` : "";
  return `  ${paint(terminal, "quiet", `${names.length === all.length ? "all " : ""}${count(names.length, "host")}${names.length === all.length ? "" : listed}`)}`;
}

function countsLine(hosts: readonly HostPlan[], terminal: Screen): string {
  const counts = planCounts(hosts);
  const dot = terminal.unicode ? " · " : "; ";
  const changes = counts.add + counts.change + counts.remove;
  const who = [
    counts.changing > 0 ? `${counts.changing} change` : "",
    counts.unchanged > 0 ? `${counts.unchanged} unchanged` : "",
    counts.unplanned > 0 ? `${counts.unplanned} without a plan` : "",
  ]
    .filter((part) => part !== "")
    .join(", ");
  if (changes === 0) return `  ${count(counts.hosts, "host")}: ${who === "" ? "nothing to plan" : who}`;
  const what = [
    counts.add > 0 ? `${counts.add} add` : "",
    counts.change > 0 ? `${counts.change} change` : "",
    counts.remove > 0 ? `${counts.remove} no longer managed` : "",
  ]
    .filter((part) => part !== "")
    .join(", ");
  return `  ${count(counts.hosts, "host")}: ${who}${dot}${count(changes, "change")}: ${what}`;
}
