import type { Envelope } from "../../../shared/protocol/fields.ts";
import { OUTBOX_BATCH_BYTES_MAX, SYNC_REQUEST_BYTES_MAX } from "../../../shared/protocol/sync-limits.ts";
import type { OutboxItem, SyncRequest } from "../../../shared/protocol/sync.ts";
import { isOutboxItem } from "../../../shared/protocol/usual-sync.ts";
import { PROTOCOL } from "../../../shared/protocol/version.ts";
import type { Database } from "../../../shared/ports/databases.ts";
import { isEnvelope, isPlain, parseJson } from "../../../shared/protocol/plain-json.ts";
import type { Held } from "../../core/worker/messages.ts";
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
  /** Of the ledger of ops; 0 when there is none. */
  readonly ledgerGeneration: number;
  readonly natsWanted: boolean;
  /** What the hub last gave to this process to say again; empty before. */
  readonly echo: string;
}

export interface SyncMessage {
  readonly request: SyncRequest;
  readonly seqs: readonly number[];
  /** There are rows, and none could be taken along. */
  readonly isWithoutRows?: boolean;
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
    echo: parts.echo,
    wait_ms: parts.waitMs,
    outbox: items,
    ...(parts.ledgerGeneration === 0 ? {} : { ledger: { generation: parts.ledgerGeneration } }),
    ...(parts.natsWanted ? { nats: { want: true } } : {}),
    ...(parts.offer ? { offer: offerOf(database) } : {}),
  };
  return { request, seqs: items.map(({ seq }) => seq) };
}

/** A row that is not what was queued (a flipped bit) is set aside, so that it cannot hold up the others. */
function toItem(database: Database, row: QueuedRow): readonly OutboxItem[] {
  const item = { seq: row.seq, kind: row.kind, body: parseJson(row.body) };
  if (isOutboxItem(item)) return [item];
  park(database, row.seq);
  return [];
}

/** What this box can give back to a hub that was restored from an old backup. What would not fit into a request is left out, the bundle first: the operator's tools still have it. */
function offerOf(database: Database): NonNullable<SyncRequest["offer"]> {
  const held = read(database, "roots");
  const roots = Array.isArray(held) ? held.filter(isEnvelope) : [];
  const identity = read(database, "identity");
  const cert = isPlain(identity) ? identity["cert"] : undefined;
  const bundle = read(database, "bundle");
  const room = SYNC_REQUEST_BYTES_MAX - OUTBOX_BATCH_BYTES_MAX - 16 * 1024;
  const offered: { roots: Envelope[]; cert?: Envelope; bundle?: Envelope } = { roots: [] };
  let bytes = 0;
  const fits = (value: unknown): boolean => (bytes += JSON.stringify(value).length) <= room;
  for (const root of roots) if (fits(root)) offered.roots.push(root);
  if (isEnvelope(cert) && fits(cert)) offered.cert = cert;
  if (isEnvelope(bundle) && fits(bundle)) offered.bundle = bundle;
  return offered;
}

/** Unverified here: the hub verifies what it takes, and the worker what the box uses. */
function read(database: Database, kind: string): unknown {
  const row = database.get<{ body: string }>("offer.read", "SELECT body FROM document WHERE kind = ?", kind);
  return row === undefined ? undefined : parseJson(row.body);
}
