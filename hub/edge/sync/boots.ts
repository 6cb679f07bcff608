/**
 * What a box says of its starts and of its record of ops, as core/sync/boots.ts judges it: doubted until its sender has shown that it
 * lives, then an event where a disk was cloned or an older copy put back.
 */
import { base64url } from "../../../shared/core/bytes.ts";
import type { SyncRequest } from "../../../shared/protocol/sync.ts";
import { hasLedgerFallen, needsProof, turnStarts } from "../../core/sync/boots.ts";
import type { Hub } from "../hub.ts";
import { tellAnew } from "../ops/offers.ts";
import { appendEvent } from "../store/events.ts";
import { storeAckedSeq } from "../store/host-acks.ts";
import { storeLedgerGeneration } from "../store/hosts.ts";
import type { HostEntry } from "./host-table.ts";
import { doubtReply } from "./reply.ts";

const ECHO_BYTES = 12;
const CLONED_AGAIN_MS = 3_600_000;

/** Whether it may be a late request, of which nothing may count. One that says the word it was given lives, and is believed. */
export function isDoubtful(entry: HostEntry, { boot_id: bootId, run, ledger, echo }: SyncRequest): boolean {
  const turn = turnStarts(entry, { bootId, run });
  const fell = hasLedgerFallen(ledger?.generation ?? -1, entry.ledgerSaid, entry.ledgerHigh);
  if (needsProof(turn, fell, { asked: entry.doubtEcho, echoed: echo })) return true;
  if (entry.doubtEcho !== "" && echo === entry.doubtEcho) entry.doubtEcho = "";
  return false;
}

/** Not held, and no sign of life. The same word to all who ask: whoever waits for an answer gets it, with the count that will hold if it is believed. */
export function doubted(hub: Hub, entry: HostEntry, { boot_id: bootId, run }: SyncRequest, msgpack: boolean): Response {
  if (entry.doubtEcho === "") entry.doubtEcho = base64url(hub.world.crypto.randomBytes(ECHO_BYTES));
  const ackedSeq = turnStarts(entry, { bootId, run }).rolledBack ? 0 : entry.ackedSeq;
  const { ledgerSaid, ledgerHigh } = entry;
  return doubtReply({ ackedSeq, ledgerSaid, ledgerHigh }, hub.fleet.epoch, msgpack, entry.doubtEcho);
}

export async function noteStarts(hub: Hub, entry: HostEntry, message: SyncRequest): Promise<void> {
  const turn = turnStarts(entry, { bootId: message.boot_id, run: message.run });
  const nowMs = hub.world.clock.wallMs();
  const cloned = turn.cloned && nowMs - entry.clonedAtMs >= CLONED_AGAIN_MS;
  if (cloned || turn.rolledBack) {
    const { ackedSeq } = entry;
    const host = { hostId: entry.hostId, name: entry.name };
    await hub.store.write("sync.starts", (tx) => {
      if (cloned) appendEvent(tx.db, { at: nowMs, kind: "host.cloned", host, data: { boot_id: message.boot_id, other_boot_id: entry.bootId } });
      if (!turn.rolledBack) return;
      appendEvent(tx.db, { at: nowMs, kind: "host.rolled-back", host, data: { run: message.run, run_before: entry.run, acked_seq: ackedSeq } });
      // Its sequence numbers start over from an older place: what looks like a repeat may be new. Better twice than never.
      storeAckedSeq(tx.db, entry.hostId, 0);
    });
    if (cloned) entry.clonedAtMs = nowMs;
    if (turn.rolledBack) entry.ackedSeq = 0;
  }
  if (turn.starts.run !== entry.run) tellAnew(entry);
  entry.bootId = turn.starts.bootId;
  entry.bootIdBefore = turn.starts.bootIdBefore;
  entry.run = turn.starts.run;
}

/**
 * What the box says of its record of ops: a number that only grows, and is echoed to a box that tells a smaller one. The fall is an
 * event, once: such a box takes no more ops until an operator signed its recovery.
 */
export async function noteLedger(hub: Hub, entry: HostEntry, message: SyncRequest): Promise<void> {
  const said = message.ledger?.generation ?? -1;
  const { ledgerSaid: before, ledgerHigh: high } = entry;
  if (said === before) return;
  const fell = hasLedgerFallen(said, before, high);
  if (said > high || fell) {
    await hub.store.write("sync.ledger", (tx) => {
      if (said > high) storeLedgerGeneration(tx.db, entry.hostId, said);
      if (!fell) return;
      const host = { hostId: entry.hostId, name: entry.name };
      appendEvent(tx.db, { at: hub.world.clock.wallMs(), kind: "host.rolled-back", host, data: { ledger: said, ledger_before: high } });
    });
  }
  entry.ledgerSaid = said;
  entry.ledgerHigh = Math.max(entry.ledgerHigh, said);
}
