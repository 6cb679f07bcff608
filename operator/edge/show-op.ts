import { ageOf, ago } from "../../shared/cli/age.ts";
import type { Call, ExitCode } from "../../shared/cli/command.ts";
import { escapeUntrusted } from "../../shared/cli/escape.ts";
import { mark, markCell, type Glyph } from "../../shared/cli/glyph.ts";
import { present } from "../../shared/cli/present.ts";
import { table, type Cell } from "../../shared/cli/table.ts";
import type { OpItem, OpTargetItem, TargetState } from "../../shared/protocol/api/ops.ts";
import { isUnsigned, standingOf } from "../../shared/trust/op.ts";
import { opItemData, countsText, STATE_GLYPHS } from "../core/jobs/op-list.ts";
import { opText, targetText } from "../core/jobs/op-screen.ts";
import { actorText, noteText } from "../core/trust/actor-text.ts";
import { envelopeOf, findOp, readItem } from "./find-op.ts";
import { take } from "./hub-api.ts";
import { listTargets } from "./hub-ops.ts";
import { openSession, type Session } from "./session.ts";

/** One op as its own bytes say it, who signed it, and how the hub says that it stands. Exit 7 when the bytes are not to be believed. */
const TARGETS_SHOWN_MAX = 20;

const TARGET_GLYPHS: Readonly<Record<TargetState, Glyph>> = {
  queued: "off",
  waiting: "busy",
  delivered: "busy",
  running: "busy",
  returned: "good",
  failed: "bad",
  refused: "bad",
  busy: "warn",
  silent: "silent",
  expired: "silent",
  cancelled: "off",
};

export async function showOp(call: Call, asked: string): Promise<ExitCode> {
  const session = await openSession(call);
  const item = await findOp(session, asked);
  const op = readItem(item, session);
  const targets = await take(listTargets(session.hub, item.op_id));
  present(call, {
    kind: "Op",
    data: {
      ...opItemData(item, op),
      targets: targets.map((target) => ({ host: target.name, hostId: target.host_id, state: target.state, code: target.code })),
    },
    human: () =>
      op.ok ? screen() : `  ${mark(call.terminal, "bad", `${item.op_id} is not to be believed`)}  ${op.refusal} ${escapeUntrusted(op.detail)}`.trimEnd(),
    next: nextOf(item),
  });
  return op.ok ? 0 : 7;

  function screen(): string {
    if (!op.ok) return "";
    const { terminal } = call;
    const names = new Map(targets.map(({ host_id, name }) => [host_id as string, name]));
    const head = opText(op.value, {
      nowMs: session.nowMs,
      terminal,
      targetText: targetText(op.value.payload.target, (id) => names.get(id)),
      more: [
        ["signed", signedText(item, session, op.value)],
        ["state", `${markCell(terminal, STATE_GLYPHS[item.state], item.state).text}, as the hub says${item.total === 0 ? "" : `: ${countsText(item)}`}`],
        ["by", `${actorText(item.drafted_by, session.root.payload)}, ${ago(item.accepted_at, session.nowMs)}`],
        ...(item.note === undefined || item.note === null ? [] : [["note", noteText(item.note)] as const]),
      ],
    });
    return targets.length === 0 ? head : `${head}\n\n${targetTable(call, targets, session.nowMs)}`;
  }
}

function signedText(item: OpItem, { root }: Session, op: { readonly bytes: Uint8Array; readonly class: "read" | "change" | "destroy" }): string {
  if (item.signatures.length > 0 && isUnsigned(envelopeOf(item))) return "by nobody: this kind needs no signature";
  const { signers, threshold, role } = standingOf(op.bytes, item.signatures, op.class, root);
  const who = signers.map((id) => root.payload.keys[id]?.label ?? id).join(", ");
  return `${signers.length} of ${threshold} for the role ${role}${who === "" ? "" : `: ${who}`}`;
}

function targetTable(call: Call, targets: readonly OpTargetItem[], nowMs: number): string {
  const shown = call.globals.verbose || call.globals.output === "wide" ? targets : targets.slice(0, TARGETS_SHOWN_MAX);
  const rows = shown.map((target): readonly Cell[] => [
    target.name,
    markCell(call.terminal, TARGET_GLYPHS[target.state], target.state),
    ageOf(target.since, nowMs),
    ageOf(target.last_seen_at, nowMs),
    target.code,
  ]);
  const list = table(
    [{ title: "HOST", flex: true }, { title: "STATE" }, { title: "SINCE", align: "right" }, { title: "SEEN", align: "right" }, { title: "CODE", flex: true }],
    rows,
    call.terminal,
  );
  return shown.length < targets.length ? `${list}\n  and ${targets.length - shown.length} more: -v shows all` : list;
}

function nextOf({ op_id, state, total }: OpItem): string {
  if (state === "draft" || state === "pending") return `felhom sign show ${op_id}`;
  // Over before it was signed: no box has anything to say of it.
  if (total === 0) return "felhom op list --all";
  return state === "signed" || state === "delivered" || state === "running" ? `felhom job follow ${op_id}` : `felhom job results ${op_id}`;
}
