import type { OutboxItem } from "../../../shared/protocol/sync.ts";

export type Batch =
  | { readonly is: "batch"; readonly fresh: readonly OutboxItem[]; readonly repeated: number; readonly ackedSeq: number }
  | { readonly is: "disorder"; readonly seq: number };

/**
 * Which rows of a batch are new, and how far it acknowledges. Delivery is at least once, so rows up to `ackedSeq` are repeats and
 * dropped. Sequence numbers grow within a batch; they may have gaps, where the box dropped metrics for want of space.
 */
export function decideBatch(ackedSeq: number, items: readonly OutboxItem[]): Batch {
  let before = -1;
  for (const { seq } of items) {
    if (seq <= before) return { is: "disorder", seq };
    before = seq;
  }
  const fresh = items.filter(({ seq }) => seq > ackedSeq);
  return { is: "batch", fresh, repeated: items.length - fresh.length, ackedSeq: Math.max(ackedSeq, before) };
}
