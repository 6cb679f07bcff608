import type { Envelope } from "../../../shared/protocol/fields.ts";
import { outboxItem, type OutboxItem, type SyncRequest, OUTBOX_BATCH_BYTES_MAX, SYNC_REQUEST_BYTES_MAX } from "../../../shared/protocol/sync.ts";
import { PROTOCOL } from "../../../shared/protocol/version.ts";
import type { Database } from "../../../shared/ports/databases.ts";
import * as z from "zod/mini";
import type { Held } from "../../core/worker/messages.ts";
import { envelope } from "../../../shared/protocol/fields.ts";
import { park, type QueuedRow, takeBatch } from "../store/outbox-store.ts";

export interface SyncParts {
  readonly hostId: SyncRequest["host_id"];
  readonly bootId: string;
  readonly run: number;
  readonly version: string;
  readonly held: Held | undefined;
  readonly hubEpoch: number;
  readonly waitMs: number;
  readonly rowsMax: number;
  readonly offer: boolean;
}

export interface SyncMessage {
  readonly request: SyncRequest;
  readonly seqs: readonly number[];
}

/** Builds one sync. A manifest that is verified and waits for its files counts as held: the hub need not send it again. */
export function syncMessage(database: Database, parts: SyncParts): SyncMessage {
  const { held } = parts;
  const rows = takeBatch(database, OUTBOX_BATCH_BYTES_MAX, parts.rowsMax);
  const items = rows.flatMap((row) => toItem(database, row));
  const request: SyncRequest = {
    v: 1,
    protocol: PROTOCOL,
    host_id: parts.hostId,
    boot_id: parts.bootId,
    run: parts.run,
    agent_version: parts.version,
    have: { root: held?.root ?? 0, cert: held?.cert ?? 0, bundle: Math.max(held?.bundle ?? 0, held?.candidate ?? 0), spec: held?.spec?.generation ?? 0 },
    hub_epoch: parts.hubEpoch,
    wait_ms: parts.waitMs,
    outbox: items,
    ...(parts.offer ? { offer: offerOf(database) } : {}),
  };
  return { request, seqs: items.map(({ seq }) => seq) };
}

/** A row that is not what was queued (a flipped bit) is set aside, so that it cannot hold up the others. */
function toItem(database: Database, { seq, kind, body }: QueuedRow): readonly OutboxItem[] {
  const parsed = z.safeParse(outboxItem, { seq, kind, body: parseJson(body) });
  if (parsed.success) return [parsed.data];
  park(database, seq);
  return [];
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** What this box can give back to a hub that was restored from an old backup. What would not fit into a request is left out, the bundle first: the operator's tools still have it. */
function offerOf(database: Database): NonNullable<SyncRequest["offer"]> {
  const roots = read(database, "roots", z.array(envelope)) ?? [];
  const identity = read(database, "identity", z.object({ cert: z.optional(envelope) }));
  const bundle = read(database, "bundle", envelope);
  const room = SYNC_REQUEST_BYTES_MAX - OUTBOX_BATCH_BYTES_MAX - 16 * 1024;
  const offered: { roots: Envelope[]; cert?: Envelope; bundle?: Envelope } = { roots: [] };
  let bytes = 0;
  const fits = (value: unknown): boolean => (bytes += JSON.stringify(value).length) <= room;
  for (const root of roots) if (fits(root)) offered.roots.push(root);
  if (identity?.cert !== undefined && fits(identity.cert)) offered.cert = identity.cert;
  if (bundle !== undefined && fits(bundle)) offered.bundle = bundle;
  return offered;
}

/** Unverified here: the hub verifies what it takes, and the worker what the box uses. */
function read<T>(database: Database, kind: string, schema: z.ZodMiniType<T>): T | undefined {
  const row = database.get<{ body: string }>("offer.read", "SELECT body FROM document WHERE kind = ?", kind);
  if (row === undefined) return undefined;
  const parsed = z.safeParse(schema, parseJson(row.body));
  return parsed.success ? parsed.data : undefined;
}
