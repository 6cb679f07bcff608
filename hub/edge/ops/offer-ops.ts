/**
 * Puts ops into a sync reply. That a box may have one is on disk before it leaves: what was never offered the hub may cancel by
 * itself, what was offered only the box can end.
 */
import type { Hub } from "../hub.ts";
import { findTarget, targetOf } from "../store/op-targets.ts";
import { jobOf, opBySeq } from "../store/ops.ts";
import type { Tx } from "../store/store.ts";
import type { HostEntry } from "../sync/host-table.ts";
import { turnTarget } from "../../core/ops/target-state.ts";
import { dueOffers, findOffer, noteTold, type Offer, OFFER_BYTES_MAX } from "./offers.ts";
import { runJob, storeTurned } from "./run-job.ts";

/** Members of the reply, as text. Envelopes are pasted in as they are stored. */
export async function opParts(hub: Hub, entry: HostEntry): Promise<readonly string[]> {
  const nowMono = hub.world.clock.monoMs();
  const { give, askBack } = dueOffers(entry, nowMono);
  const unmarked = give.filter(({ marked }) => !marked);
  if (unmarked.length > 0) await hub.store.write("ops.offer", (tx) => markOffered(hub, tx, entry, unmarked));
  // Cancelled while that was written: it stays here, and the box never had it.
  const marked = give.filter((offer) => offer.marked && !offer.cancelled && findOffer(entry, offer.opSeq) === offer);
  const envelopes = marked.length === 0 ? [] : await readEnvelopes(hub, entry, marked, nowMono);
  for (const offer of askBack) noteTold(entry, offer, nowMono);
  const parts: string[] = [];
  if (envelopes.length > 0) parts.push(`"ops":[${envelopes.join(",")}]`);
  if (askBack.length > 0) parts.push(`"cancelled":${JSON.stringify(askBack.map(({ opId }) => opId))}`);
  return parts;
}

function markOffered(hub: Hub, tx: Tx, entry: HostEntry, offers: readonly Offer[]): void {
  const nowMs = hub.world.clock.wallMs();
  for (const offer of offers) {
    const op = opBySeq(tx.db, offer.opSeq);
    const row = findTarget(tx.db, offer.opSeq, entry.hostId);
    const job = op === undefined ? undefined : jobOf(op);
    if (op === undefined || row === undefined || job === undefined) continue;
    const before = targetOf(row);
    const after = turnTarget(before, { on: "offered" }, nowMs);
    if (after !== before) {
      const run = { hub, tx, row: op, nowMs };
      storeTurned(run, row, before, after);
      runJob(run, job, [{ on: "moved", from: before.at, to: after.at, batch: row.batch, count: 1 }]);
    }
    if (after.at === "delivered" || after.at === "running") {
      tx.afterCommit(() => {
        offer.marked = true;
      });
    }
  }
}

async function readEnvelopes(hub: Hub, entry: HostEntry, offers: readonly Offer[], nowMono: number): Promise<readonly string[]> {
  const texts: string[] = [];
  let bytes = 0;
  for (const offer of offers) {
    const text = await hub.jobs.envelopeOf(offer.opSeq);
    // The first always fits: an op is far below what a reply may hold.
    if (text === undefined || (texts.length > 0 && bytes + text.length > OFFER_BYTES_MAX)) continue;
    bytes += text.length;
    texts.push(text);
    noteTold(entry, offer, nowMono);
  }
  return texts;
}
