import { OP_LOG_START, readOpLogLine, verifyOpLog, type OpLogHead, type OpLogLine } from "../../../shared/ops/op-log.ts";

/**
 * The hub's copy of a box's own log of ops, held against heads that the box signed. A head is in every final answer, so a hub that
 * leaves an entry out, alters one or shows another history is caught by any answer given after it: what was signed names the hash.
 */
export interface SignedHead extends OpLogHead {
  /** Which answer it stood in, or that this workstation saw it before. */
  readonly from: string;
}

export type OpLogCheck =
  | { readonly is: "whole"; readonly entries: number; readonly first: number; readonly head: OpLogHead; readonly proven: number }
  /** The chain itself does not hold. */
  | { readonly is: "broken"; readonly atSeq: number; readonly because: "unreadable" | "gap" | "hash" }
  /** The box signed another entry at this place. */
  | { readonly is: "rewritten"; readonly atSeq: number; readonly from: string }
  /** The box signed an entry that the hub does not show. */
  | { readonly is: "shortened"; readonly headSeq: number; readonly signedSeq: number; readonly from: string };

export function checkOpLog(texts: readonly string[], signed: readonly SignedHead[]): OpLogCheck {
  const verdict = verifyOpLog(texts);
  if (!verdict.ok) return { is: "broken", atSeq: verdict.brokenSeq, because: verdict.because };
  const lines = new Map(
    texts.flatMap((text) => {
      const line = readOpLogLine(text);
      return line === undefined ? [] : [[line.entry.seq, line] as const];
    }),
  );
  const first = firstSeq(lines);
  let proven = 0;
  for (const head of signed.toSorted((a, b) => a.seq - b.seq)) {
    if (head.seq > verdict.head.seq) return { is: "shortened", headSeq: verdict.head.seq, signedSeq: head.seq, from: head.from };
    // What was pruned is below the first entry; its hash is proven by every later one.
    if (head.seq < first - 1) continue;
    if (hashAt(lines, first, head.seq) !== head.hash) return { is: "rewritten", atSeq: head.seq, from: head.from };
    proven = Math.max(proven, head.seq);
  }
  return { is: "whole", entries: verdict.entries, first, head: verdict.head, proven };
}

function firstSeq(lines: ReadonlyMap<number, OpLogLine>): number {
  const [first = 1] = lines.keys();
  return first;
}

/** The entry before the first is known by what the first names as its own. */
function hashAt(lines: ReadonlyMap<number, OpLogLine>, first: number, seq: number): string | undefined {
  if (seq === first - 1) return seq === 0 ? OP_LOG_START.hash : lines.get(first)?.entry.prev;
  return lines.get(seq)?.hash;
}
