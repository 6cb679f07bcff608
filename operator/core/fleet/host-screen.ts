import { age, ageOf, ago, isoTime, isoTimeOrNull } from "../../../shared/cli/age.ts";
import { paint } from "../../../shared/cli/colour.ts";
import { escapeUntrusted } from "../../../shared/cli/escape.ts";
import { glyph, glyphOf, mark, markCell } from "../../../shared/cli/glyph.ts";
import { fields, table, type Cell } from "../../../shared/cli/table.ts";
import type { Terminal } from "../../../shared/ports/terminal.ts";
import type { HostDetail } from "../../../shared/protocol/api/hosts.ts";
import type { FactValue, Report } from "../../../shared/protocol/report.ts";
import { specFields } from "./spec-edit.ts";
import { clockOffText, hostData, isPaused, labelsText, shownHealth, stateText } from "./host-summary.ts";
import { lieAbout, unverifiedText, type VerifiedHost } from "./verified-host.ts";

/** `host show`: first what an operator or the host itself signed, each with its verdict; then what only the hub says. */
export interface HostScreen {
  readonly detail: HostDetail;
  readonly verified: VerifiedHost;
  readonly nowMs: number;
  readonly terminal: Pick<Terminal, "outIsTty" | "columns" | "colour" | "unicode">;
  readonly allFacts: boolean;
}

const RESOURCES_SHOWN = 20;

export function hostScreen(shown: HostScreen): string {
  const { detail, terminal } = shown;
  const head = `${paint(terminal, "strong", escapeUntrusted(detail.name))}  ${mark(terminal, glyphOf(shownHealth(detail)), shownHealth(detail))}`;
  const note = detail.note === null ? "" : `\n${fields([["", { text: detail.note, style: "plain" }]], terminal)}`;
  const lie = lieAbout(detail, shown.verified);
  const warning = lie === undefined || detail.health === "revoked" ? "" : `\n  ${paint(terminal, "bad", `${glyph(terminal, "bad")} ${escapeUntrusted(lie)}`)}`;
  return [head + note + warning, identityPart(shown), contactPart(shown), reportPart(shown), specPart(shown), factsPart(shown)]
    .filter((part) => part !== "")
    .join("\n\n");
}

function title(shown: HostScreen, text: string): string {
  return paint(shown.terminal, "quiet", text);
}

function identityPart(shown: HostScreen): string {
  const { identity } = shown.verified;
  const { terminal, detail } = shown;
  if (!identity.ok)
    return `${title(shown, "Identity")}\n${fields(
      [
        ["", { text: unverifiedText(identity), style: "bad" }],
        ["hub says", detail.host_id],
      ],
      terminal,
    )}`;
  const { value } = identity;
  const how = value.serial === 0 ? `by grant ${value.grantId ?? ""}` : `certificate ${value.serial}`;
  return `${title(shown, "Identity")}\n${fields(
    [
      ["id", value.hostId],
      ["signed", { text: `${terminal.unicode ? "✓" : "+"} verified, ${how}, ${isoTime(value.createdAt)}`, style: "good" }],
      ...(value.name === detail.name ? [] : [["name", { text: `${value.name} (signed); the hub calls it ${detail.name}`, style: "bad" }] as const]),
      ["labels", labelsText(value.labels) || "none"],
    ],
    terminal,
  )}`;
}

function contactPart(shown: HostScreen): string {
  const { detail, nowMs, terminal } = shown;
  const clockOff = clockOffText(detail);
  return `${title(shown, "Contact, as the hub says")}\n${fields(
    [
      ["contact", markCell(terminal, glyphOf(detail.contact), detail.contact)],
      ["seen", detail.last_seen_at === null ? "never" : `${ago(detail.last_seen_at, nowMs)}${detail.address === null ? "" : ` from ${detail.address}`}`],
      ["clock", clockOff === undefined ? undefined : { text: `${clockOff} by its last report`, style: "warn" }],
      ["agent", detail.agent_version],
      ["state", stateText(detail, nowMs)],
      ["bundle", `${detail.bundle_in_force ?? 0} in force, ${detail.bundle_wanted} wanted`],
    ],
    terminal,
  )}`;
}

function reportPart(shown: HostScreen): string {
  const { verified, detail, nowMs, terminal } = shown;
  const heading = title(shown, "Last report");
  if (verified.report === undefined) return `${heading}\n  none yet`;
  if (!verified.report.ok) return `${heading}\n${fields([["", { text: unverifiedText(verified.report), style: "bad" }]], terminal)}`;
  const report = verified.report.value;
  const { counts } = report;
  const lines = fields(
    [
      [
        "signed",
        {
          text: `${terminal.unicode ? "✓" : "+"} verified, made ${ago(report.created_at, nowMs)}${detail.report_received_at === null ? "" : `, received ${ago(detail.report_received_at, nowMs)}`}`,
          style: "good",
        },
      ],
      ["bundle", `${report.bundle}, spec ${report.spec}, ${report.mode}, by ${report.trigger}, from the ${report.source}, in ${age(report.duration_ms)}`],
      [
        "result",
        Object.entries(counts)
          .flatMap(([what, number]) => (number === 0 && what !== "unchanged" ? [] : [`${number} ${what}`]))
          .join(terminal.unicode ? " · " : ", "),
      ],
      [
        "refused",
        report.refused === undefined ? undefined : { text: `bundle ${report.refused.bundle}: ${report.refused.code}, ${report.refused.because}`, style: "bad" },
      ],
    ],
    terminal,
  );
  return [`${heading}\n${lines}`, resourceTable(shown, report)].filter((part) => part !== "").join("\n\n");
}

const OUTCOME_ORDER = ["failed", "drifted", "waiting", "skipped", "changed", "unchanged"];

function resourceTable(shown: HostScreen, report: Report): string {
  if (report.resources.length === 0) return "";
  const sorted = report.resources.toSorted((a, b) => OUTCOME_ORDER.indexOf(a.outcome) - OUTCOME_ORDER.indexOf(b.outcome));
  const rows = sorted
    .slice(0, RESOURCES_SHOWN)
    .map((resource): readonly Cell[] => [markCell(shown.terminal, glyphOf(resource.outcome), resource.outcome), resource.id, resource.reason]);
  const more = sorted.length > RESOURCES_SHOWN ? `\n  and ${sorted.length - RESOURCES_SHOWN} more (-o json shows all)` : "";
  return `${table([{ title: "OUTCOME" }, { title: "RESOURCE", flex: true, least: 20 }, { title: "REASON", flex: true, least: 16 }], rows, shown.terminal)}${more}`;
}

function specPart(shown: HostScreen): string {
  const { spec } = shown.detail;
  return `${title(shown, `Spec, generation ${spec.generation}${isPaused(shown.detail, shown.nowMs) ? ", paused" : ""}`)}\n${fields(specFields(spec, shown.nowMs), shown.terminal)}`;
}

const FACTS_FIRST = ["os", "kernel", "cpu", "memory", "virtualisation", "timezone", "time", "agent"];

function factsPart(shown: HostScreen): string {
  const { facts } = shown.verified;
  const { terminal, nowMs, allFacts } = shown;
  const heading = title(shown, "Facts, as the box claims");
  if (facts === undefined) return `${heading}\n  none yet`;
  if (!facts.ok) return `${heading}\n${fields([["", { text: unverifiedText(facts), style: "bad" }]], terminal)}`;
  const flat = flatFacts(facts.value.facts);
  const chosen = allFacts ? flat : flat.filter(([name]) => FACTS_FIRST.some((first) => name === first || name.startsWith(`${first}.`))).slice(0, 16);
  const rest = flat.length - chosen.length;
  return [
    `${heading}, ${ageOf(facts.value.created_at, nowMs)} old`,
    fields(chosen, terminal),
    rest > 0 ? `  and ${rest} more: felhom host show ${escapeUntrusted(shown.detail.name)} --facts` : "",
  ]
    .filter((part) => part !== "")
    .join("\n");
}

/** `os.family  debian`: nested maps as dotted names, lists in brackets. */
export function flatFacts(value: FactValue, name = ""): readonly (readonly [string, string])[] {
  if (typeof value !== "object" || value === null) return [[escapeUntrusted(name), String(value)]];
  if (Array.isArray(value)) {
    const scalars = value.every((item: FactValue) => typeof item !== "object" || item === null);
    if (scalars) return [[escapeUntrusted(name), value.join(", ")]];
    return value.flatMap((item: FactValue, at) => flatFacts(item, `${name}[${at}]`));
  }
  return Object.entries(value).flatMap(([key, item]: [string, FactValue]) => flatFacts(item, name === "" ? key : `${name}.${key}`));
}

export function hostScreenData({ detail, verified }: HostScreen): Readonly<Record<string, unknown>> {
  const { identity, report, facts } = verified;
  return {
    ...hostData(detail),
    identity: identity.ok
      ? {
          verified: true,
          id: identity.value.hostId,
          name: identity.value.name,
          labels: identity.value.labels,
          serial: identity.value.serial,
          grant: identity.value.grantId ?? null,
          createdAt: isoTime(identity.value.createdAt),
        }
      : { verified: false, refusal: identity.refusal, detail: identity.detail },
    report:
      report === undefined
        ? null
        : report.ok
          ? { verified: true, receivedAt: isoTimeOrNull(detail.report_received_at), ...reportData(report.value) }
          : { verified: false, refusal: report.refusal, detail: report.detail },
    facts:
      facts === undefined
        ? null
        : facts.ok
          ? { verified: true, createdAt: isoTime(facts.value.created_at), values: facts.value.facts }
          : { verified: false, refusal: facts.refusal, detail: facts.detail },
    spec: {
      generation: detail.spec.generation,
      mode: detail.spec.mode,
      pausedUntil: isoTimeOrNull(detail.spec.paused_until),
      intervalS: detail.spec.interval_s ?? null,
      fetchWindows: detail.spec.fetch_windows ?? [],
      applyWindows: detail.spec.apply_windows ?? [],
      retire: detail.spec.retire ?? false,
    },
    address: detail.address,
    bootId: detail.boot_id,
    metrics: detail.metrics,
  };
}

function reportData(report: Report): Readonly<Record<string, unknown>> {
  return {
    createdAt: isoTime(report.created_at),
    bundle: report.bundle,
    spec: report.spec,
    mode: report.mode,
    trigger: report.trigger,
    source: report.source,
    durationMs: report.duration_ms,
    counts: report.counts,
    refused: report.refused ?? null,
    resources: report.resources,
    planSha256: report.plan_sha256,
  };
}
