import { isoTime, until } from "../../../shared/cli/age.ts";
import { paint, type Style } from "../../../shared/cli/colour.ts";
import { escapeUntrusted } from "../../../shared/cli/escape.ts";
import { fields, type Cell } from "../../../shared/cli/table.ts";
import type { Terminal } from "../../../shared/ports/terminal.ts";
import type { OpClass } from "../../../shared/ops/op-kind.ts";
import { describeOp } from "../../../shared/ops/catalogue.ts";
import { type DraftedOp, shortDigest } from "../../../shared/trust/op.ts";
import type { OpTarget } from "../../../shared/trust/payloads.ts";

/** An op from its own payload bytes: what it does, to whom, how dangerous it is, and until when. Nothing of it is the hub's word. */
type Paper = Pick<Terminal, "outIsTty" | "columns" | "colour" | "unicode">;

const CLASS_STYLE: Readonly<Record<OpClass, Style>> = { read: "plain", change: "warn", destroy: "bad" };

export function opText(
  op: DraftedOp,
  shown: { readonly nowMs: number; readonly terminal: Paper; readonly targetText: string; readonly more?: readonly (readonly [string, Cell])[] },
): string {
  const { payload } = op;
  const { nowMs, terminal } = shown;
  const head = `${paint(terminal, "strong", escapeUntrusted(payload.kind))}  ${payload.id}`;
  return [
    head,
    ...describeLines(op).flatMap((line) => wrapped(escapeUntrusted(line), terminal)),
    fields(
      [
        ["target", shown.targetText],
        ["class", { text: op.class, style: CLASS_STYLE[op.class] }],
        ["expires", `${isoTime(payload.expires_at)}, ${until(payload.expires_at, nowMs)}`],
        ...(payload.reason === undefined ? [] : [["reason", payload.reason] as const]),
        ["digest", shortDigest(op.sha256)],
        ...(shown.more ?? []),
      ],
      terminal,
    ),
  ].join("\n");
}

/** Wrapped here, with an indent that no line of a description begins with: a window's edge must not make two lines out of one. */
function wrapped(line: string, terminal: Paper): readonly string[] {
  const room = terminal.outIsTty ? Math.max(24, terminal.columns - 8) : Number.POSITIVE_INFINITY;
  if (Bun.stringWidth(line) <= room) return [`  ${line}`];
  const arrow = terminal.unicode ? "↪" : ">";
  return Bun.wrapAnsi(line, room, { hard: true, wordWrap: false, trim: false })
    .split("\n")
    .map((part, at) => (at === 0 ? `  ${part}` : `      ${arrow} ${part}`));
}

export const describeLines = (op: DraftedOp): readonly string[] => describeOp(op.op);

export function targetText(target: OpTarget, nameOf: (hostId: string) => string | undefined): string {
  if ("guest_id" in target) return `guest ${target.guest_id} of ${nameOf(target.host_id) ?? target.host_id}`;
  if ("host_id" in target) return `${nameOf(target.host_id) ?? "a host"} (${target.host_id})`;
  return target.expr.length <= 400 ? target.expr : `${target.expr.slice(0, 400)}… (${target.expr.length} characters)`;
}

export function opData(op: DraftedOp): Readonly<Record<string, unknown>> {
  const { payload, sha256 } = op;
  return {
    id: payload.id,
    opKind: payload.kind,
    class: op.class,
    target: payload.target,
    params: payload.params,
    describes: describeLines(op),
    issuedAt: isoTime(payload.issued_at),
    expiresAt: isoTime(payload.expires_at),
    ...(payload.reason === undefined ? {} : { reason: payload.reason }),
    sha256,
  };
}
