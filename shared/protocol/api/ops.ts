import * as z from "zod/mini";
import { counter, envelope, hostId, name, text, wallMs } from "../fields.ts";

/** How an op stands at the hub. Every state but the first five is final; each non-final one has a deadline. */
export const opState = z.enum(["draft", "pending", "signed", "delivered", "running", "done", "failed", "refused", "expired", "cancelled"]);
export type OpState = z.infer<typeof opState>;

/** How one targeted host stands; the last seven are final, and each host ends in exactly one of them. `queued` waits for its batch. */
export const targetState = z.enum(["queued", "waiting", "delivered", "running", "returned", "failed", "refused", "busy", "silent", "expired", "cancelled"]);
export type TargetState = z.infer<typeof targetState>;

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
 * /api/v1/ops/drafts takes an unsigned payload (base64) as `draft`. POST /api/v1/ops/{id}/signatures adds one. Same bytes twice: the same op.
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
  counts: z.record(targetState, counter),
  total: counter,
});
export type OpItem = z.infer<typeof opItem>;

/** GET /api/v1/ops?state=&cursor=, GET /api/v1/ops/{id}, GET /api/v1/ops/{id}/targets, GET /api/v1/ops/{id}/returns?since=, POST /api/v1/ops/{id}/cancel. */
export const opTargetItem = z.object({
  host_id: hostId,
  name,
  state: targetState,
  since: wallMs,
  last_seen_at: z.nullable(wallMs),
  code: z.nullable(text(64)),
});
export type OpTargetItem = z.infer<typeof opTargetItem>;

/** One signed record as it came; the CLI verifies it against the host's certificate. `seq` orders a job's returns at this hub. */
export const opReturnItem = z.object({ seq: counter, host_id: hostId, received_at: wallMs, envelope });
export type OpReturnItem = z.infer<typeof opReturnItem>;
