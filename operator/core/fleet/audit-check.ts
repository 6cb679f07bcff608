import { verifyAuditChain, type AuditAnchor, type AuditRow } from "../../../shared/core/audit-chain.ts";

/**
 * Is the hub's audit log whole, and is it a continuation of what this workstation saw last time? The chain alone does not stop a hub that
 * rewrites everything; the remembered head does: it must still be in the chain, at its place.
 */
export type AuditCheck =
  | { readonly is: "whole"; readonly rows: number; readonly head: AuditAnchor; readonly since: AuditAnchor | undefined }
  | { readonly is: "broken"; readonly atSeq: number; readonly because: "gap" | "hash" }
  | { readonly is: "rewritten"; readonly atSeq: number }
  | { readonly is: "shortened"; readonly remembered: AuditAnchor; readonly headSeq: number };

export function checkAudit(asked: {
  readonly anchor: AuditAnchor;
  readonly rows: readonly AuditRow[];
  readonly remembered: AuditAnchor | undefined;
}): AuditCheck {
  const { anchor, rows, remembered } = asked;
  const chain = verifyAuditChain(anchor, rows);
  if (!chain.ok) return { is: "broken", atSeq: chain.brokenSeq, because: chain.because };
  if (remembered !== undefined && remembered.seq > chain.head.seq) return { is: "shortened", remembered, headSeq: chain.head.seq };
  const hashThen =
    remembered === undefined || remembered.seq < anchor.seq
      ? undefined
      : remembered.seq === anchor.seq
        ? anchor.hash
        : rows[remembered.seq - anchor.seq - 1]?.hash;
  if (remembered !== undefined && hashThen !== undefined && hashThen !== remembered.hash) return { is: "rewritten", atSeq: remembered.seq };
  return { is: "whole", rows: chain.rows, head: chain.head, since: hashThen === undefined ? undefined : remembered };
}
