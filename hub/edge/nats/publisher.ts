/**
 * Takes copies of ops from their table to the bus, in order. To everybody at once when everybody who is attached is meant now, to each
 * host on its own subject otherwise: a host whose batch has not come must not hear of it. Removed from the table once the server has
 * them; published twice after a crash in between, which the boxes' ledgers meet.
 */
import { utf8 } from "../../../shared/core/bytes.ts";
import type { Bus } from "../../../shared/ports/bus.ts";
import { encodeNatsOp } from "../../../shared/protocol/nats-messages.ts";
import type { NatsSubjects } from "../../../shared/protocol/nats-subjects.ts";
import type { Hub } from "../hub.ts";
import { type Copy, copiesAfter, removeCopies, removeCopiesBefore } from "../store/nats-outbox.ts";
import { opEnvelope } from "../store/ops.ts";

const COPIES_PER_READ = 2_000;
const FLUSH_MS = 5_000;
/** Older ones were left by a hub that ended: the sync has offered their ops since. */
const STALE_MS = 60_000;

export async function removeStaleCopies(hub: Hub): Promise<void> {
  const removed = await hub.store.write("nats.stale", (tx) => removeCopiesBefore(tx.db, hub.world.clock.wallMs() - STALE_MS));
  if (removed > 0) hub.world.log.event("info", "nats.outbox_dropped", { rows: removed });
}

/** Everything that is there now. Returns how many messages went out. */
export async function publishCopies(hub: Hub, bus: Bus, subjects: NatsSubjects): Promise<number> {
  let sent = 0;
  for (;;) {
    const copies = await hub.store.read((db) => copiesAfter(db, 0, COPIES_PER_READ));
    const last = copies.at(-1);
    if (last === undefined) return sent;
    for (const [opSeq, hostIds] of byOp(copies)) sent += await publishOp(hub, bus, subjects, opSeq, hostIds);
    await bus.flush(FLUSH_MS);
    await hub.store.write("nats.copied", (tx) => removeCopies(tx.db, last.id));
  }
}

async function publishOp(hub: Hub, bus: Bus, subjects: NatsSubjects, opSeq: number, hostIds: ReadonlySet<string>): Promise<number> {
  const envelope = await hub.store.read((db) => opEnvelope(db, opSeq));
  if (envelope === undefined) return 0; // over and pruned meanwhile
  const body = encodeNatsOp({ envelope: utf8(envelope) });
  if (body.byteLength > bus.server.messageBytesMax) {
    for (const hostId of hostIds) hub.carrier.failed(hostId, opSeq);
    return 0;
  }
  const isForAll = hub.carrier.isEverybody(hostIds);
  const to = isForAll ? [subjects.broadcast] : [...hostIds].map((hostId) => subjects.ofHost(hostId).op);
  for (const subject of to) bus.publish(subject, body);
  return to.length;
}

function byOp(copies: readonly Copy[]): ReadonlyMap<number, ReadonlySet<string>> {
  const groups = new Map<number, Set<string>>();
  for (const { op_seq, host_id } of copies) {
    const group = groups.get(op_seq);
    if (group === undefined) groups.set(op_seq, new Set([host_id]));
    else group.add(host_id);
  }
  return groups;
}
