import * as z from "zod/mini";
import { counter, envelope, hostId, name, text, wallMs } from "../fields.ts";

/** How an op stands at the hub. Every state but the first five is final; each non-final one has a deadline. */
export const opState = z.enum(["draft", "pending", "signed", "delivered", "running", "done", "failed", "refused", "expired", "cancelled"]);
export type OpState = z.infer<typeof opState>;

/** How one targeted host stands; the last seven are final, and each host ends in exactly one of them. `queued` waits for its batch. */
export const targetState = z.enum(["queued", "waiting", "delivered", "running", "returned", "failed", "refused", "busy", "silent", "expired", "cancelled"]);
export type TargetState = z.infer<typeof targetState>;

/** How many hosts stand where. */
export const targetCounts = z.object({
  queued: counter,
  waiting: counter,
  delivered: counter,
  running: counter,
  returned: counter,
  failed: counter,
  refused: counter,
  busy: counter,
  silent: counter,
  expired: counter,
  cancelled: counter,
}) satisfies z.ZodMiniType<Record<TargetState, number>>;

/** How a job is paced. The hub only ever delays: the boxes decide by the signed target whether they are meant. */
export const pacing = z.strictObject({
  batch: z.optional(z.int().check(z.minimum(1), z.maximum(100_000))),
  pause_s: z.optional(z.int().check(z.minimum(0), z.maximum(86_400))),
  max_fail: z.optional(z.int().check(z.minimum(0), z.maximum(100_000))),
  /** Delivered alone and first; the rest follows when these returned well. */
  canaries: z.optional(z.array(hostId).check(z.maxLength(64))),
  seed: z.optional(text(32)),
});
export type Pacing = z.infer<typeof pacing>;

/**
 * POST /api/v1/ops with a fully signed envelope queues it; with too few signatures for its class it is kept as `pending`; POST
 * /api/v1/ops/drafts takes an unsigned payload (base64) as `draft`. POST /api/v1/ops/{op_id}/signatures adds one. Same bytes twice: the same op,
 * with what signatures both brought. Each answers `one("Op", opItem)`: 201 when it is new, 200 when it was known. Signatures that do not
 * count for the op's class are left out.
 */
export const opUpload = z.strictObject({ envelope, pacing: z.optional(pacing) });
export const opDraft = z.strictObject({ payload: text(1_400_000), pacing: z.optional(pacing), note: z.optional(text(256)) });
export const opSignature = z.strictObject({ keyid: text(64), sig: text(128) });

export const opItem = z.object({
  op_id: text(32),
  kind: text(64),
  state: opState,
  /** Base64 of the exact bytes that are (to be) signed: the CLI reads everything it shows from these. */
  payload: text(1_400_000),
  signatures: z.array(opSignature),
  drafted_by: text(128),
  accepted_at: wallMs,
  expires_at: wallMs,
  pacing: z.nullable(pacing),
  counts: targetCounts,
  total: counter,
  /** What its drafter wrote: unsigned. */
  note: z.optional(z.nullable(text(256))),
  /** Somebody cancelled it; boxes that may have it have yet to answer. */
  cancel_asked: z.optional(z.boolean()),
});
export type OpItem = z.infer<typeof opItem>;

/**
 * GET /api/v1/ops → `page("OpList", opItem)`, newest first; `state=a,b` filters (`state=active` is every one that is not final), `kind=`.
 * A page ends early rather than grow beyond some MiB of payloads: follow `next`. GET /api/v1/ops/{op_id} → `one("Op", opItem)`.
 * POST /api/v1/ops/{op_id}/cancel (no body) → 200 `one("Op", opItem)`: what no host was given ends as cancelled at once, what a box may
 * have is asked back and ends as that box answers.
 *
 * GET /api/v1/ops/{op_id}/targets → `page("OpTargetList", opTargetItem)`, by host id; `state=a,b`.
 */
export const opTargetItem = z.object({
  host_id: hostId,
  name,
  state: targetState,
  since: wallMs,
  last_seen_at: z.nullable(wallMs),
  code: z.nullable(text(64)),
  /** A final answer that came after the hub had given this host up (silent, expired, cancelled): the state stays, the answer is in the returns. */
  late_state: z.optional(z.nullable(targetState)),
});
export type OpTargetItem = z.infer<typeof opTargetItem>;

/**
 * One signed record as it came; the CLI verifies it against the host's certificate. `seq` orders a job's returns at this hub.
 *
 * GET /api/v1/ops/{op_id}/returns → `page("OpReturnList", opReturnItem)`, oldest first; `since=<seq>` gives those after it, `host=<host id>`.
 * Hosts that the hub did not track answer too, when they found themselves meant.
 *
 * GET /api/v1/ops/{op_id}/returns/stream (also `since=`, `Last-Event-ID`) → server-sent events: `event: return`, `id:` its seq, `data:` an
 * opReturnItem; `event: op`, `data:` an opProgress at the start and after each change. The stream ends by itself after the
 * op's last state was told.
 */
export const opReturnItem = z.object({ seq: counter, host_id: hostId, received_at: wallMs, envelope });
export type OpReturnItem = z.infer<typeof opReturnItem>;

export const opProgress = z.object({ op_id: text(32), state: opState, counts: targetCounts, total: counter });
export type OpProgress = z.infer<typeof opProgress>;

/**
 * POST /api/v1/returns takes signed records that somebody carried here (`felhom op receipts` on the box), and answers `one("CarriedReturns",
 * carriedReturns)`: 201 when one of them was new, 200 when all were here. Whose a record is, its own signature says. All of them verify,
 * or none is taken. What the box says itself later is the same record.
 */
export const CARRIED_RETURNS_MAX = 200;
export const returnsUpload = z.strictObject({ envelopes: z.array(envelope).check(z.minLength(1), z.maxLength(CARRIED_RETURNS_MAX)) });
export const carriedReturns = z.object({
  taken: counter,
  known: counter,
  /** Answered by some of them and not here. The records are kept, and count as soon as the op comes. */
  ops_missing: z.array(text(32)),
});
export type CarriedReturns = z.infer<typeof carriedReturns>;

/** GET /api/v1/hosts/{host_id}/op-log → `page("OpLogList", opLogItem)`, oldest first; `since=<seq>`. `entry` is the box's own text: its hash chains to the next. */
export const opLogItem = z.object({ seq: counter, received_at: wallMs, entry: text(4_096) });
export type OpLogItem = z.infer<typeof opLogItem>;
