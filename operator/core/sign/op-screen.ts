import { ago, byteSize, count, isoTime, until } from "../../../shared/cli/age.ts";
import { paint } from "../../../shared/cli/colour.ts";
import { escapeUntrusted } from "../../../shared/cli/escape.ts";
import { mark } from "../../../shared/cli/glyph.ts";
import { describeOp } from "../../../shared/ops/catalogue.ts";
import type { Terminal } from "../../../shared/ports/terminal.ts";
import { type DraftedOp, shortDigest, type Standing } from "../../../shared/trust/op.ts";
import type { OpTarget, RootPayload } from "../../../shared/trust/payloads.ts";
import { actorText, noteText } from "../trust/actor-text.ts";
import { type Risk, riskOf, wordsOf } from "./pending-op.ts";
import type { TargetView } from "./target-view.ts";

/**
 * An op before a signer's eyes, drawn from the payload bytes that would be signed. Every line of foreign text is escaped, and folded
 * here with an indent: a terminal that wraps by itself would put the rest of a long line where our own labels stand.
 */
export interface Shown {
  readonly draft: DraftedOp;
  readonly standing: Standing;
  readonly root: { readonly payload: RootPayload };
  readonly view: TargetView;
  readonly unusual: readonly string[];
  /** The hub's word; absent where no hub was asked. */
  readonly draftedBy: string | undefined;
  /** The drafter's words. */
  readonly note: string | undefined;
  readonly nowMs: number;
  /** Lines of description; the rest is counted. */
  readonly linesMax: number;
  /** Before its first line: which of how many. */
  readonly title?: string;
}

type Screen = Pick<Terminal, "columns" | "colour" | "unicode" | "outIsTty">;
const LABEL = 10;
const HOSTS_SHOWN = 12;

export const RISK_WORD: Readonly<Record<Risk, string>> = { low: "low", medium: "medium", high: "HIGH" };

export function opScreen(shown: Shown, terminal: Screen): string {
  const { draft, view, standing, nowMs } = shown;
  const { payload } = draft;
  const does = describeOp(draft.op);
  const kept = does.slice(0, shown.linesMax);
  const rows: [string, readonly string[]][] = [
    ["does", kept],
    ["target", targetLines(payload.target, view)],
    ["evidence", evidenceLines(view, nowMs)],
    ["window", [`${isoTime(payload.issued_at)} – ${isoTime(payload.expires_at)}, ends ${until(payload.expires_at, nowMs)}, once per host`]],
    ["reason", payload.reason === undefined ? [] : [payload.reason]],
    ["asked by", shown.draftedBy === undefined ? [] : [`${actorText(shown.draftedBy, shown.root.payload)} (the hub says so)`]],
    ["note", shown.note === undefined ? [] : [noteText(shown.note)]],
    ["policy", [policyLine(standing, shown.root.payload)]],
    [
      "digest",
      [`${shortDigest(draft.sha256)}   ${wordsOf(draft)}`, ...(standing.threshold > 1 ? ["the same on every signer's screen, or somebody lies"] : [])],
    ],
  ];
  const warnings = [
    ...(does.length > kept.length ? [`${does.length - kept.length} more lines of it are not shown here: felhom sign show ${payload.id}`] : []),
    ...shown.unusual,
  ];
  return [
    ...head(draft, shown.title ?? "", terminal),
    ...rows.flatMap(([label, lines]) => labelled(label, lines, terminal)),
    ...warnings.flatMap((line) => warned(line, terminal)),
  ].join("\n");
}

function head(draft: DraftedOp, title: string, terminal: Screen): readonly string[] {
  const risk = riskOf(draft);
  const kind = paint(terminal, risk === "high" ? "bad" : "strong", escapeUntrusted(draft.payload.kind));
  const line = `${title}${kind}  ${draft.payload.id}  ${draft.class}, risk ${RISK_WORD[risk]}  drawn from the ${byteSize(draft.bytes.byteLength)} that you would sign`;
  return foldedAt(line, terminal.columns, terminal);
}

function targetLines(target: OpTarget, view: TargetView): readonly string[] {
  const hosts = view.meant
    .slice(0, HOSTS_SHOWN)
    .map(({ identity }) => `${identity.name}  ${identity.hostId}  certified ${isoTime(identity.createdAt).slice(0, 10)}`);
  const more = view.meant.length > HOSTS_SHOWN ? [`and ${view.meant.length - HOSTS_SHOWN} more`] : [];
  if ("guest_id" in target) return [`guest ${target.guest_id} on ${hosts[0] ?? `${target.host_id} (not verified here)`}`];
  if ("host_id" in target) return [hosts[0] ?? `${target.host_id} (not verified here)`];
  return [
    `${count(view.meant.length, "host")} now, by ${target.expr.length > 300 ? `${target.expr.slice(0, 300)}… (${target.expr.length} characters)` : target.expr}`,
    ...hosts,
    ...more,
  ];
}

function evidenceLines(view: TargetView, nowMs: number): readonly string[] {
  return view.meant
    .slice(0, HOSTS_SHOWN)
    .map(({ identity, facts, report }) =>
      report === undefined && facts === undefined
        ? `${identity.name}: nothing signed by it is there`
        : `${identity.name}: ${report === undefined ? `facts signed ${ago(facts?.at, nowMs)}` : `signed ${ago(report.at, nowMs)}: ${report.summary}`}`,
    );
}

export function policyLine({ role, threshold, signers }: Standing, root: RootPayload): string {
  const { keys } = root.roles[role];
  const signed = signers.map((id) => root.keys[id]?.label ?? id).join(", ");
  const next = signers.length + 1;
  const place = next === threshold ? "you would be the last" : `you would be number ${next} of ${threshold}`;
  return `${threshold} of the ${count(keys.length, "key")} with role ${role}; ${signers.length === 0 ? "nobody signed yet" : `${signers.length} signed: ${signed}`}; ${place}`;
}

function labelled(label: string, lines: readonly string[], terminal: Screen): readonly string[] {
  return lines
    .flatMap((line) => folded(line, terminal))
    .map((line, at) => `  ${paint(terminal, "quiet", (at === 0 ? label : "").padEnd(LABEL))} ${line}`.trimEnd());
}

function warned(line: string, terminal: Screen): readonly string[] {
  return folded(line, terminal).map((part, at) => (at === 0 ? `  ${mark(terminal, "warn", part)}` : `    ${part}`));
}

function folded(line: string, terminal: Screen): readonly string[] {
  return foldedAt(escapeUntrusted(line), Math.max(20, terminal.columns - LABEL - 4), terminal);
}

/** Between words where there are any; what has none, such as an expression of ids, is cut. */
function foldedAt(line: string, room: number, terminal: Screen): readonly string[] {
  if (!terminal.outIsTty || Bun.stringWidth(line) <= room) return [line];
  return Bun.wrapAnsi(line, room - 2, { hard: true, wordWrap: true, trim: false })
    .split("\n")
    .map((part, at) => (at === 0 ? part : `  ${part}`));
}
