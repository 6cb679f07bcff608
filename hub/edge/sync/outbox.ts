/**
 * Takes a box's outbox. Everything but metrics is durable before its number is acknowledged: one write for the whole batch, and the
 * store puts the batches of many hosts into one commit. What comes from a box is a claim: its subject is the host whose credential
 * was shown, its events keep to one kind, and a signature that does not verify is stored as such and changes nothing that is shown
 * as verified.
 */
import { unreachable } from "../../../shared/core/assert.ts";
import { fromBase64url } from "../../../shared/core/bytes.ts";
import { isFleetId, isHostId } from "../../../shared/core/ids.ts";
import type { Envelope } from "../../../shared/protocol/fields.ts";
import type { OutboxItem } from "../../../shared/protocol/sync.ts";
import type { HostIdentity } from "../../../shared/trust/host-identity.ts";
import { keyIdOf } from "../../../shared/trust/keys.ts";
import { verifyHostSigned } from "../../../shared/trust/report.ts";
import { clockOffMs } from "../../core/hosts/clock-off.ts";
import { decideBatch } from "../../core/sync/outbox-batch.ts";
import { type ReportSummary, reportEvents, summarise } from "../../core/sync/report-summary.ts";
import type { Hub } from "../hub.ts";
import { draftSpecApply } from "../ops/draft-spec-apply.ts";
import { readReturn, readReturnAside, type ReadReturn, storeOpLog, storeReturn } from "../ops/take-return.ts";
import { appendEvent } from "../store/events.ts";
import { storeAckedSeq } from "../store/host-acks.ts";
import { findSender, type Sender } from "../store/hosts.ts";
import { insertReport, newestReport, putNewestReport } from "../store/reports.ts";
import type { Tx } from "../store/store.ts";
import type { HostEntry } from "./host-table.ts";

/** Names and values of one metrics row that are kept. */
const METRICS_MAX = 64;

export type Taken = { readonly is: "taken" } | { readonly is: "disorder"; readonly seq: number } | { readonly is: "deferred" };

/** Writes waiting at the store above which rows are left in the boxes: first everything but returns of ops, then those too. */
export const DEFER_REPORTS_ABOVE = 2_000;
export const DEFER_ALL_ABOVE = 10_000;

export async function takeOutbox(hub: Hub, entry: HostEntry, items: readonly OutboxItem[]): Promise<Taken> {
  const seen = decideBatch(entry.ackedSeq, items);
  if (seen.is === "disorder") return seen;
  for (const item of seen.fresh) if (item.kind === "metrics") entry.metrics = Object.fromEntries(Object.entries(item.body).slice(0, METRICS_MAX));
  if (seen.fresh.every((item) => item.kind === "metrics")) {
    entry.ackedSeq = seen.ackedSeq;
    return { is: "taken" };
  }
  const waiting = hub.store.waiting();
  if (waiting > DEFER_ALL_ABOVE || (waiting > DEFER_REPORTS_ABOVE && !seen.fresh.some((item) => item.kind === "return"))) return { is: "deferred" };
  const returns = await readReturns(hub, entry, seen.fresh);
  await hub.store.write("sync.outbox", (tx) => storeBatch(hub, tx, entry, items, returns));
  return { is: "taken" };
}

type ReadReturns = ReadonlyMap<number, ReadReturn>;

/** Signatures are looked at before the transaction: it is everybody's, and shall be short. */
async function readReturns(hub: Hub, entry: HostEntry, items: readonly OutboxItem[]): Promise<ReadReturns> {
  const read = new Map<number, ReadReturn>();
  if (!items.some(({ kind }) => kind === "return")) return read;
  entry.answersAs ??= await hub.store.read((db) => {
    const host = findSender(db, entry.hostId);
    return host === undefined ? undefined : identityOf(hub, host);
  });
  const { crypto } = hub.world;
  const identity = entry.answersAs;
  await Promise.all(items.map(async (item) => item.kind === "return" && read.set(item.seq, await readReturnAside(crypto, item.body, identity))));
  return read;
}

function storeBatch(hub: Hub, tx: Tx, entry: HostEntry, items: readonly OutboxItem[], returns: ReadReturns): void {
  const host = findSender(tx.db, entry.hostId);
  // Revoked while it waited: nothing of it counts any more.
  if (host === undefined || host.state === "revoked") return;
  // The same rows may come twice at once; the row in the database decides.
  const batch = decideBatch(Math.max(host.acked_seq, entry.ackedSeq), items);
  if (batch.is === "disorder") return;
  const nowMs = hub.world.clock.wallMs();
  for (const item of batch.fresh) storeItem(hub, tx, host, item, returns, nowMs);
  storeAckedSeq(tx.db, host.host_id, batch.ackedSeq);
  tx.afterCommit(() => {
    entry.ackedSeq = Math.max(entry.ackedSeq, batch.ackedSeq);
  });
}

function storeItem(hub: Hub, tx: Tx, host: Sender, item: OutboxItem, returns: ReadReturns, nowMs: number): void {
  switch (item.kind) {
    case "metrics":
      return;
    case "event":
      appendEvent(tx.db, { at: nowMs, kind: "agent.event", host: { hostId: host.host_id, name: host.name }, data: item.body });
      draftSpecApply(hub, tx, host, item.body, nowMs);
      return;
    case "return":
      storeReturn(hub, tx, { hostId: host.host_id, name: host.name }, returns.get(item.seq) ?? readReturn(item.body, identityOf(hub, host)), nowMs);
      return;
    case "facts":
    case "report":
      storeReport(hub, tx, host, item, nowMs);
      return;
    case "op-log":
      storeOpLog(tx, host.host_id, item.body.entries, nowMs);
      return;
    default:
      unreachable(item);
  }
}

function storeReport(hub: Hub, tx: Tx, host: Sender, item: Extract<OutboxItem, { kind: "report" | "facts" }>, nowMs: number): void {
  const identity = identityOf(hub, host);
  const read = readReport(item, identity);
  const off =
    read.createdAt === undefined
      ? undefined
      : clockOffMs({ createdAt: read.createdAt, receivedAt: nowMs, reachableSince: hub.hosts.get(host.host_id)?.reachableSinceMs ?? nowMs });
  const summary = read.summary === undefined || off === undefined ? read.summary : { ...read.summary, clock_off_ms: off };
  const row = {
    host_id: host.host_id,
    kind: item.kind,
    received_at: nowMs,
    created_at: read.createdAt ?? nowMs,
    verified: read.createdAt === undefined ? 0 : 1,
    summary: JSON.stringify(summary ?? {}),
    envelope: textOf(item.body),
  };
  const before = item.kind === "report" ? newestReport(tx.db, host.host_id, "report") : undefined;
  insertReport(tx.db, { ...row, seq: item.seq });
  const isNewest = putNewestReport(tx.db, row);
  if (!isNewest || read.summary === undefined) return;
  const known = before === undefined || before.verified === 0 ? undefined : summaryOf(before.summary);
  for (const event of reportEvents(known, read.summary))
    appendEvent(tx.db, { at: nowMs, kind: event.kind, host: { hostId: host.host_id, name: host.name }, data: event.data });
}

interface ReadReport {
  /** Absent: it does not verify. */
  readonly createdAt?: number;
  readonly summary?: ReportSummary;
}

function readReport(item: Extract<OutboxItem, { kind: "report" | "facts" }>, identity: HostIdentity | undefined): ReadReport {
  if (identity === undefined) return {};
  if (item.kind === "facts") {
    const facts = verifyHostSigned("facts", item.body, identity);
    return facts.ok ? { createdAt: facts.value.created_at } : {};
  }
  const report = verifyHostSigned("report", item.body, identity);
  return report.ok ? { createdAt: report.value.created_at, summary: summarise(report.value) } : {};
}

/** The keys that the operator's documents name; they were verified when the row was written. */
export function identityOf(hub: Hub, host: Sender): HostIdentity | undefined {
  const fleetId = hub.fleet.root?.payload.fleet_id;
  const signingKey = fromBase64url(host.signing_key);
  const boxKey = fromBase64url(host.box_key);
  if (fleetId === undefined || !isFleetId(fleetId) || !isHostId(host.host_id) || signingKey === undefined || boxKey === undefined) return undefined;
  const keys = { signingKey, keyId: keyIdOf(signingKey), boxKey };
  return { fleetId, hostId: host.host_id, name: host.name, labels: {}, ...keys, serial: host.cert_serial, createdAt: host.created_at };
}

/** Only the members that DSSE knows are kept: what was not signed is not stored. */
function textOf({ payload, payloadType, signatures }: Envelope): string {
  return JSON.stringify({ payload, payloadType, signatures: signatures.map(({ keyid, sig }) => ({ keyid, sig })) });
}

function summaryOf(text: string): ReportSummary {
  const summary: ReportSummary = JSON.parse(text);
  return summary;
}
