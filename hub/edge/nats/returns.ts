/**
 * Signed records that came over NATS, in batches: verified and stored by the same functions that a sync's outbox goes through, which count
 * a record once however it came. The stream forgets a record only after it is in the database. What is none of ours is taken out of
 * the stream and counted: it would come again for ever.
 */
import type { Consumer, Delivery } from "../../../shared/ports/bus.ts";
import { decodeNatsReturn } from "../../../shared/protocol/nats-messages.ts";
import { hostOfSubject } from "../../../shared/protocol/nats-subjects.ts";
import { parseEnvelope } from "../../../shared/trust/envelope.ts";
import type { HostIdentity } from "../../../shared/trust/host-identity.ts";
import type { Hub } from "../hub.ts";
import { type ReadReturn, readReturnAside, storeReturn } from "../ops/take-return.ts";
import { findSender, type Sender } from "../store/hosts.ts";
import { DEFER_ALL_ABOVE, identityOf } from "../sync/outbox.ts";

const BATCH_MAX = 500;
const WAIT_MS = 5_000;
const BUSY_MS = 500;

export interface TakenCounts {
  taken: number;
  refused: number;
}

interface Record {
  readonly hostId: string;
  readonly name: string;
  readonly read: ReadReturn;
}

/** One batch: waits for the first record for some seconds. Throws when the stream is gone, or the store; nothing is lost by it. */
export async function takeReturns(hub: Hub, consumer: Consumer, counts: TakenCounts, heard: (hostId: string) => void, stop: AbortSignal): Promise<void> {
  // The stream keeps them while the disk is behind.
  if (hub.store.waiting() > DEFER_ALL_ABOVE) return hub.world.clock.sleep(BUSY_MS, stop);
  const deliveries = await consumer.take(BATCH_MAX, WAIT_MS);
  if (deliveries.length === 0) return;
  const records = await readAll(hub, deliveries);
  const nowMs = hub.world.clock.wallMs();
  if (records.length > 0) {
    await hub.store.write("nats.returns", (tx) => {
      for (const { hostId, name, read } of records) storeReturn(hub, tx, { hostId, name }, read, nowMs);
    });
  }
  for (const delivery of deliveries) delivery.ack();
  for (const { hostId } of records) heard(hostId);
  counts.taken += records.length;
  counts.refused += deliveries.length - records.length;
}

async function readAll(hub: Hub, deliveries: readonly Delivery[]): Promise<readonly Record[]> {
  const known = new Map<string, { readonly host: Sender; readonly identity: HostIdentity | undefined } | undefined>();
  await hub.store.read((db) => {
    for (const { subject } of deliveries) {
      const hostId = hostOfSubject(subject);
      if (hostId === undefined || known.has(hostId)) continue;
      const host = findSender(db, hostId);
      known.set(hostId, host === undefined || host.state === "revoked" ? undefined : { host, identity: identityOf(hub, host) });
    }
  });
  const records = deliveries.map(async ({ subject, body }): Promise<Record | undefined> => {
    const sender = known.get(hostOfSubject(subject) ?? "");
    const message = sender === undefined ? undefined : decodeNatsReturn(body);
    const envelope = message === undefined ? undefined : parseEnvelope(message.envelope);
    if (sender === undefined || envelope?.ok !== true) return undefined;
    const read = await readReturnAside(hub.world.crypto, envelope.value, sender.identity);
    return { hostId: sender.host.host_id, name: sender.host.name, read };
  });
  return (await Promise.all(records)).filter((record) => record !== undefined);
}
