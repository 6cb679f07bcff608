/** `felhom status --log`: what this box was asked, and whether its own record of that still holds together. */
import { isoTimeOrNull } from "../../../shared/cli/age.ts";
import { mark } from "../../../shared/cli/glyph.ts";
import { table } from "../../../shared/cli/table.ts";
import { type OpLogVerdict, readOpLogLine } from "../../../shared/ops/op-log.ts";
import type { Terminal } from "../../../shared/ports/terminal.ts";

type Screen = Pick<Terminal, "outIsTty" | "columns" | "colour" | "unicode">;

export function opLogText(lines: readonly string[], verdict: OpLogVerdict, terminal: Screen): string {
  if (lines.length === 0) return "No op has come to this box yet.";
  const rows = lines.map((line) => {
    const read = readOpLogLine(line);
    if (read === undefined) return ["?", "", "", "", "unreadable", ""];
    const { seq, at, kind, op, outcome, code, signers } = read.entry;
    return [
      String(seq),
      isoTimeOrNull(at) ?? "",
      kind ?? "(not verified)",
      op ?? "",
      code === null || code === outcome ? outcome : `${outcome} (${code})`,
      signers.map((signer) => signer.slice(0, 8)).join(" "),
    ];
  });
  const columns = [
    { title: "SEQ" },
    { title: "AT" },
    { title: "KIND" },
    { title: "OP" },
    { title: "OUTCOME", flex: true, least: 12 },
    { title: "SIGNED BY" },
  ] as const;
  const chain = verdict.ok
    ? mark(terminal, "good", `the chain holds, head ${verdict.head.seq} ${verdict.head.hash.slice(0, 16)}`)
    : mark(terminal, "bad", `the chain is broken at entry ${verdict.brokenSeq} (${verdict.because}): what is written from there on can't be believed`);
  return `${table(columns, rows, terminal)}\n\n${chain}`;
}

export function opLogData(lines: readonly string[], verdict: OpLogVerdict): Readonly<Record<string, unknown>> {
  const items = lines.map((line) => {
    const read = readOpLogLine(line);
    return read === undefined ? { text: line } : { ...read.entry, at: isoTimeOrNull(read.entry.at), hash: read.hash, text: line };
  });
  return { items, chain: verdict.ok ? { holds: true, head: verdict.head } : { holds: false, brokenSeq: verdict.brokenSeq, because: verdict.because } };
}
