import * as z from "zod/mini";
import { counter, envelope, hostId, opaqueId, text, wallMs } from "./fields.ts";
import { NATS_URLS_MAX, SEALED_CREDENTIALS_CHARS_MAX } from "./nats-urls.ts";
import { LOG_ENTRIES_MAX, LOG_ENTRY_CHARS_MAX, OUTBOX_ROWS_MAX, SYNC_WAIT_MS_MAX } from "./sync-limits.ts";
import { hostSpec } from "./spec.ts";

export { OUTBOX_BATCH_BYTES_MAX, SYNC_REPLY_BYTES_MAX, SYNC_REQUEST_BYTES_MAX, SYNC_WAIT_MS_MAX } from "./sync-limits.ts";

/** One row of the box's outbox. `return`, `report` and `facts` bodies are envelopes signed by the host; `event` and `metrics` are plain. */
export const outboxItem = z.discriminatedUnion("kind", [
  z.object({ seq: counter, kind: z.literal("return"), body: envelope }),
  z.object({ seq: counter, kind: z.literal("report"), body: envelope }),
  z.object({ seq: counter, kind: z.literal("facts"), body: envelope }),
  z.object({ seq: counter, kind: z.literal("op-log"), body: z.object({ entries: z.array(text(LOG_ENTRY_CHARS_MAX)).check(z.maxLength(LOG_ENTRIES_MAX)) }) }),
  z.object({ seq: counter, kind: z.literal("event"), body: z.record(text(64), z.union([text(2_048), z.number(), z.boolean(), z.null()])) }),
  z.object({ seq: counter, kind: z.literal("metrics"), body: z.record(text(128), z.number()) }),
]);
export type OutboxItem = z.infer<typeof outboxItem>;

/** Versions the box holds now; 0 is none. `spec` is the desired spec's generation, `cert` the certificate's serial. */
export const have = z.object({ root: counter, cert: counter, bundle: counter, spec: counter });
export type Have = z.infer<typeof have>;

/** POST /agent/v1/sync, `authorization: Bearer <credential>`. */
export const syncRequest = z.object({
  v: counter,
  protocol: counter,
  host_id: hostId,
  /** Random per boot of the machine; two at once mean a cloned box. */
  boot_id: opaqueId,
  /** Counts the agent's starts on this data directory; it falls when an old copy was restored. */
  run: counter,
  agent_version: text(64),
  have,
  /** The newest hub epoch the box has seen; 0 at first. */
  hub_epoch: counter,
  wait_ms: z.int().check(z.minimum(0), z.maximum(SYNC_WAIT_MS_MAX)),
  outbox: z.array(outboxItem).check(z.maxLength(OUTBOX_ROWS_MAX)),
  /** The newest `echo` that this very process was given; empty before. With it a request shows that it is not one from before. */
  echo: z.optional(text(64)),
  /** The box's record of ops: its generation grows with every op; the hub echoes the highest it has seen. */
  ledger: z.optional(z.object({ generation: counter })),
  /** The spec names NATS and this box has no credentials for it, or should have new ones soon. */
  nats: z.optional(z.object({ want: z.boolean() })),
  /** After a hub was restored: the box's newest verified documents, which the hub takes when they verify and are newer. */
  offer: z.optional(z.object({ roots: z.array(envelope).check(z.maxLength(1_000)), cert: z.optional(envelope), bundle: z.optional(envelope) })),
});
export type SyncRequest = z.infer<typeof syncRequest>;

/** Only what is newer than `have`. Unknown fields are ignored. */
export const syncReply = z.object({
  v: counter,
  protocol: counter,
  min_protocol: counter,
  hub_epoch: counter,
  /** Every outbox row up to here is durable at the hub. */
  acked_seq: counter,
  /** Wait this long before the next sync; 0 while requests are held. */
  next_ms: counter,
  roots: z.optional(z.array(envelope).check(z.maxLength(64))),
  host_cert: z.optional(envelope),
  bundle: z.optional(envelope),
  spec: z.optional(hostSpec),
  /** Ops this host has not answered yet, oldest first: offered again until a return for them is acknowledged. */
  ops: z.optional(z.array(envelope).check(z.maxLength(64))),
  /** Ids of ops that were cancelled. A courier's hint: it stops what has not started or is running, it can start nothing. */
  cancelled: z.optional(z.array(text(32)).check(z.maxLength(256))),
  /** Highest ledger generation this host ever sent; above the box's own means that an old copy was put back. */
  ledger_generation: z.optional(counter),
  /** How to attach to NATS; given when it was asked for. `sealed_credentials`: base64 of a sealed box to the host's box key, inside `{ jwt, seed, ca? }`. */
  nats: z.optional(
    z.object({
      urls: z.array(text(300)).check(z.minLength(1), z.maxLength(NATS_URLS_MAX)),
      sealed_credentials: text(SEALED_CREDENTIALS_CHARS_MAX),
      expires_at: wallMs,
      /** How long from now: needs no clocks that agree. */
      lifetime_ms: z.optional(counter),
    }),
  ),
  /** The request said what only a late one, or a box that was put back or cloned, says: nothing of it was taken. Say this in the next. */
  echo: z.optional(text(64)),
  /** The hub lacks what this box holds: put it in the next request's `offer`. */
  want_offer: z.optional(z.boolean()),
});
export type SyncReply = z.infer<typeof syncReply>;
