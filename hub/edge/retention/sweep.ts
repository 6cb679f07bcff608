/**
 * One sweep: everything that has an age limit, a bounded piece at a time, each piece its own short transaction. What the policy does
 * not name is never touched. A blob goes row first, file after the commit: a crash between leaves a file without a row, which no
 * route serves and the next upload replaces.
 */
import { EVENT_KINDS } from "../../../shared/protocol/api/fleet.ts";
import { KEEP_AUDIT, KEEP_BUNDLES, KEEP_EVENTS, KEEP_OP_LOG_MS, KEEP_OPS, KEEP_UNKNOWN_RETURNS_MS, KEEP_UNNAMED_BLOB_MS } from "../../core/retention/policy.ts";
import { removeBlobFile } from "../blobs/blob-files.ts";
import type { Hub } from "../hub.ts";
import { deleteBlob, unusedBlobs } from "../store/blobs.ts";
import { deleteExpiredSessions } from "../store/credentials.ts";
import { deleteOldReplies } from "../store/idempotency.ts";
import { bundlesInForce, PRUNE_ROWS_MAX, pruneBundles, pruneEvents, pruneOldAudit, pruneOpLog, pruneOps, pruneUnknownReturns } from "../store/retention.ts";
import type { Tx } from "../store/store.ts";

/** Pieces of one kind per sweep: what is left over waits for the next. */
const PIECES_MAX = 20;

export type Pruned = Readonly<Record<"events" | "audit" | "bundles" | "blobs" | "sessions" | "replies" | "ops" | "op_log", number>>;

export async function sweep(hub: Hub): Promise<Pruned> {
  const nowMs = hub.world.clock.wallMs();
  let events = 0;
  for (const kind of EVENT_KINDS) events += await pieces(hub, "retention.events", (tx) => pruneEvents(tx.db, kind, KEEP_EVENTS[kind], nowMs));
  return {
    events,
    audit: await pieces(hub, "retention.audit", (tx) => pruneOldAudit(tx.db, KEEP_AUDIT, nowMs)),
    bundles: await pieces(hub, "retention.bundles", (tx) => pruneBundles(tx.db, KEEP_BUNDLES, holdersOf(hub, tx), nowMs)),
    blobs: await pieces(hub, "retention.blobs", (tx) => pruneBlobs(hub, tx, nowMs)),
    sessions: await pieces(hub, "retention.sessions", (tx) => deleteExpiredSessions(tx.db, nowMs, PRUNE_ROWS_MAX)),
    replies: await pieces(hub, "retention.replies", (tx) => deleteOldReplies(tx.db, nowMs, PRUNE_ROWS_MAX)),
    ops:
      (await pieces(hub, "retention.ops", (tx) => pruneOps(tx.db, KEEP_OPS, nowMs))) +
      (await pieces(hub, "retention.ops", (tx) => pruneUnknownReturns(tx.db, nowMs - KEEP_UNKNOWN_RETURNS_MS))),
    op_log: await pieces(hub, "retention.op-log", (tx) => pruneOpLog(tx.db, nowMs - KEEP_OP_LOG_MS)),
  };
}

async function pieces(hub: Hub, op: string, piece: (tx: Tx) => number): Promise<number> {
  let total = 0;
  for (let at = 0; at < PIECES_MAX; at += 1) {
    const gone = await hub.store.write(op, piece);
    total += gone;
    if (gone < PRUNE_ROWS_MAX) break;
  }
  return total;
}

/** What a box holds counts from the moment it says so, not from the next flush to the database. */
function holdersOf(hub: Hub, tx: Tx): readonly number[] {
  const held = new Set(bundlesInForce(tx.db));
  for (const host of hub.hosts.all()) held.add(host.haveBundle);
  return [...held];
}

function pruneBlobs(hub: Hub, tx: Tx, nowMs: number): number {
  const unused = unusedBlobs(tx.db, nowMs - KEEP_UNNAMED_BLOB_MS, PRUNE_ROWS_MAX);
  for (const { sha256 } of unused) {
    deleteBlob(tx.db, sha256);
    tx.afterCommit(() => removeBlobFile(hub.world, hub.settings.dataDir, sha256));
  }
  return unused.length;
}
