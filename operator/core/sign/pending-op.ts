import { fromBase64, fromHex } from "../../../shared/core/bytes.ts";
import { opTraits } from "../../../shared/ops/catalogue.ts";
import type { OpItem } from "../../../shared/protocol/api/ops.ts";
import { type DraftedOp, readDraft, type Standing, standingOf } from "../../../shared/trust/op.ts";
import type { TrustedRoot } from "../../../shared/trust/root.ts";
import { OP_FUTURE_MS_MAX, OP_LIFETIME_MS_MAX } from "../../../shared/trust/payloads.ts";
import type { Refusal } from "../../../shared/trust/verdict.ts";
import { digestWords } from "../../../shared/trust/words.ts";

/**
 * What waits for signatures, read from the bytes that would be signed and from nothing else. The hub's own words about an op (id,
 * kind, state, who drafted it) are either held against those bytes or carried along as what they are: what the hub says.
 */
export interface OpenOp {
  readonly is: "open";
  readonly draft: DraftedOp;
  readonly standing: Standing;
  readonly risk: Risk;
  /** The hub's word. */
  readonly draftedBy: string;
  /** The drafter's words, as the hub has them: under no signature. */
  readonly note: string | undefined;
  readonly words: string;
}

export type PendingOp =
  | OpenOp
  /** Its time has passed, or enough have signed. */
  | { readonly is: "over"; readonly draft: DraftedOp; readonly because: "expired" | "signed" }
  /** It must not be signed here: why, and what the hub calls it (untrusted). */
  | { readonly is: "refused"; readonly claimedId: string; readonly code: Refusal; readonly detail: string };

/** `low`: reads, and changes that are the same when done twice. `high`: what can't be undone. */
export type Risk = "low" | "medium" | "high";
export const PENDING_MAX = 1_000;

export function readPending(items: readonly OpItem[], root: TrustedRoot, nowMs: number): readonly PendingOp[] {
  const read = items.slice(0, PENDING_MAX).map((item) => readOne(item, root, nowMs));
  const seen = new Map<string, Set<string>>();
  for (const op of read) if (op.is !== "refused") seen.set(op.draft.payload.id, (seen.get(op.draft.payload.id) ?? new Set()).add(op.draft.sha256));
  const unique = read.map((op): PendingOp => {
    if (op.is === "refused" || (seen.get(op.draft.payload.id)?.size ?? 0) < 2) return op;
    return { is: "refused", claimedId: op.draft.payload.id, code: "op_mismatch", detail: "the hub shows different ops under this id" };
  });
  // In an order of our own: the hub's would let it choose what a tired person sees last. Shown twice is shown once.
  const digests = new Set<string>();
  return unique.toSorted(byUrgency).filter((op) => op.is === "refused" || (!digests.has(op.draft.sha256) && digests.add(op.draft.sha256)));
}

function readOne(item: OpItem, root: TrustedRoot, nowMs: number): PendingOp {
  const refused = (code: Refusal, detail: string): PendingOp => ({ is: "refused", claimedId: item.op_id, code, detail });
  const bytes = fromBase64(item.payload);
  if (bytes === undefined) return refused("envelope_malformed", "the payload is not canonical base64");
  const draft = readDraft(bytes, root);
  if (!draft.ok) return refused(draft.refusal, draft.detail);
  const { payload, class: opClass } = draft.value;
  if (item.op_id !== payload.id) return refused("op_mismatch", `the hub calls it ${item.op_id}, its bytes say ${payload.id}`);
  if (item.kind !== payload.kind) return refused("op_mismatch", `the hub says ${item.kind}, its bytes say ${payload.kind}`);
  if (payload.expires_at - payload.issued_at > OP_LIFETIME_MS_MAX) return refused("lifetime_too_long", "no host would take it: it lives longer than 30 days");
  if (payload.issued_at > nowMs + OP_FUTURE_MS_MAX) return refused("from_future", "it is dated in the future");
  const standing = standingOf(bytes, item.signatures, opClass, root);
  if (nowMs >= payload.expires_at) return { is: "over", draft: draft.value, because: "expired" };
  if (standing.signers.length >= standing.threshold) return { is: "over", draft: draft.value, because: "signed" };
  const note = item.note ?? undefined;
  return { is: "open", draft: draft.value, standing, risk: riskOf(draft.value), draftedBy: item.drafted_by, note, words: wordsOf(draft.value) };
}

export function riskOf({ class: opClass, payload }: Pick<DraftedOp, "class" | "payload">): Risk {
  if (opClass === "destroy") return "high";
  return opClass === "read" || opTraits(payload.kind)?.idempotent === true ? "low" : "medium";
}

export const wordsOf = ({ sha256 }: Pick<DraftedOp, "sha256">): string => digestWords(fromHex(sha256) ?? new Uint8Array(32)).join("-");

const RANK: Readonly<Record<Risk, number>> = { high: 0, medium: 1, low: 2 };

function byUrgency(a: PendingOp, b: PendingOp): number {
  const rank = (op: PendingOp): number => (op.is === "open" ? RANK[op.risk] : op.is === "refused" ? 3 : 4);
  if (rank(a) !== rank(b)) return rank(a) - rank(b);
  if (a.is === "refused" || b.is === "refused") return 0;
  return a.draft.payload.issued_at - b.draft.payload.issued_at || (a.draft.payload.id < b.draft.payload.id ? -1 : 1);
}
