import { ageOf, isoTime, until } from "../../../shared/cli/age.ts";
import { markCell, type Glyph } from "../../../shared/cli/glyph.ts";
import { table, type Cell } from "../../../shared/cli/table.ts";
import type { Terminal } from "../../../shared/ports/terminal.ts";
import type { OpItem, OpState } from "../../../shared/protocol/api/ops.ts";
import type { DraftedOp } from "../../../shared/trust/op.ts";
import { standingOf } from "../../../shared/trust/op.ts";
import type { TrustedRoot } from "../../../shared/trust/root.ts";
import type { Verdict } from "../../../shared/trust/verdict.ts";
import { actorText } from "../trust/actor-text.ts";
import { describeLines, opData, targetText } from "./op-screen.ts";

/** Ops as a list. Kind, class and target are read from each payload; state, age and counts are the hub's word. */
export interface ListedOp {
  readonly item: OpItem;
  readonly op: Verdict<DraftedOp>;
}

export interface OpListPaper {
  readonly nowMs: number;
  readonly terminal: Pick<Terminal, "outIsTty" | "columns" | "colour" | "unicode">;
  readonly root: TrustedRoot;
  readonly wide: boolean;
}

export const STATE_GLYPHS: Readonly<Record<OpState, Glyph>> = {
  draft: "off",
  pending: "warn",
  signed: "busy",
  delivered: "busy",
  running: "busy",
  done: "good",
  failed: "bad",
  refused: "bad",
  expired: "silent",
  cancelled: "off",
};

export function opListText(ops: readonly ListedOp[], paper: OpListPaper): string {
  const { nowMs, terminal, wide } = paper;
  const rows = ops.map(({ item, op }): readonly Cell[] => [
    item.op_id,
    op.ok ? op.value.payload.kind : { text: "unreadable", style: "bad" },
    markCell(terminal, STATE_GLYPHS[item.state], item.state),
    standText(item, op, paper.root),
    ageOf(item.accepted_at, nowMs),
    op.ok ? summaryText(op.value) : `${op.refusal}${op.detail === "" ? "" : `: ${op.detail}`}`,
    ...(wide
      ? [
          op.ok ? targetText(op.value.payload.target, () => undefined) : null,
          actorText(item.drafted_by, paper.root.payload),
          until(item.expires_at, nowMs),
          item.note ?? null,
        ]
      : []),
  ]);
  return table(
    [
      { title: "ID" },
      { title: "KIND", flex: true, least: 10 },
      { title: "STATE" },
      { title: "ANSWERS" },
      { title: "AGE", align: "right", drop: 1 },
      { title: "WHAT", flex: true, least: 12, drop: 2 },
      ...(wide ? [{ title: "TARGET", flex: true }, { title: "BY", flex: true }, { title: "EXPIRES" }, { title: "DRAFTER'S NOTE", flex: true, drop: 3 }] : []),
    ],
    rows,
    terminal,
  );
}

/** How many of its hosts ended how; for one that collects, how many signed. */
function standText(item: OpItem, op: Verdict<DraftedOp>, root: TrustedRoot): string {
  if (item.state === "draft" || item.state === "pending") {
    if (!op.ok) return "";
    const { signers, threshold } = standingOf(op.value.bytes, item.signatures, op.value.class, root);
    return `${signers.length} of ${threshold} signed`;
  }
  return countsText(item);
}

export function countsText({ counts, total }: Pick<OpItem, "counts" | "total">): string {
  const bad = counts.failed + counts.refused + counts.busy;
  const silent = counts.silent + counts.expired + counts.cancelled;
  const over = counts.returned + bad + silent;
  return [`${over}/${total}`, ...(bad > 0 ? [`${bad} failed`] : []), ...(silent > 0 ? [`${silent} silent`] : [])].join("  ");
}

const summaryText = (op: DraftedOp): string => op.payload.reason ?? describeLines(op)[0] ?? "";

export function opListData(ops: readonly ListedOp[]): Readonly<Record<string, unknown>> {
  return { items: ops.map(({ item, op }) => opItemData(item, op)), summary: { total: ops.length } };
}

export function opItemData(item: OpItem, op: Verdict<DraftedOp>): Readonly<Record<string, unknown>> {
  return {
    ...(op.ok ? opData(op.value) : { id: item.op_id, unverified: `${op.refusal} ${op.detail}`.trim() }),
    state: item.state,
    acceptedAt: isoTime(item.accepted_at),
    draftedBy: item.drafted_by,
    note: item.note ?? null,
    pacing: item.pacing,
    counts: item.counts,
    total: item.total,
    signatures: item.signatures.map(({ keyid }) => keyid),
  };
}
