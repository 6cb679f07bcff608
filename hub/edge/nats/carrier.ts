/**
 * Who can be reached over NATS now, and which ops went that way. All of it is memory, for speed only: when in doubt nobody is
 * reached, and the sync delivers. An op that was copied to the bus is kept from the sync for the ack window; when the box did not
 * acknowledge it until then, or the bus is gone, the sync has it at once. The box's ledger takes care of both arriving.
 */
import { Signal } from "../../../shared/core/signal.ts";
import type { Hub } from "../hub.ts";
import { findOffer, noteAcknowledged, withhold } from "../ops/offers.ts";
import { insertCopy } from "../store/nats-outbox.ts";
import type { Tx } from "../store/store.ts";
import type { HostEntry } from "../sync/host-table.ts";

export const ACK_WINDOW_MS = 5_000;
/** A box says that it is there every thirty seconds. */
export const ATTACHED_MS = 75_000;

export class NatsCarrier {
  readonly #hub: () => Hub;
  /** Rung when there are copies to publish. */
  readonly copied = new Signal();
  readonly #heardMonoMs = new Map<string, number>();
  /** In the order in which their windows end: the window is the same for all. */
  readonly #carried = new Map<string, { readonly hostId: string; readonly opSeq: number; readonly untilMonoMs: number }>();
  #up = false;
  readonly counts = { copied: 0, acknowledged: 0, late: 0 };

  constructor(hub: () => Hub) {
    this.#hub = hub;
  }

  get attached(): number {
    return this.#up ? this.#heardMonoMs.size : 0;
  }

  connected(): void {
    this.#up = true;
    this.copied.ring();
  }

  /** The bus is gone: nobody is reached, and what was on its way goes by sync now. */
  disconnected(): void {
    this.#up = false;
    this.#heardMonoMs.clear();
    for (const { hostId, opSeq } of this.#carried.values()) this.#release(hostId, opSeq);
    this.#carried.clear();
  }

  /** A word from the box, on a subject that only it may use. */
  heard(hostId: string): void {
    // Set anew, so that the oldest is always first.
    this.#heardMonoMs.delete(hostId);
    this.#heardMonoMs.set(hostId, this.#hub().world.clock.monoMs());
  }

  left(hostId: string): void {
    this.#heardMonoMs.delete(hostId);
  }

  isAttached(hostId: string): boolean {
    const heardMs = this.#up ? this.#heardMonoMs.get(hostId) : undefined;
    return heardMs !== undefined && this.#hub().world.clock.monoMs() - heardMs < ATTACHED_MS;
  }

  /** Is everybody who is attached among these? Then one message reaches exactly them. */
  isEverybody(hostIds: ReadonlySet<string>): boolean {
    return hostIds.size > 1 && [...this.#heardMonoMs.keys()].every((hostId) => hostIds.has(hostId));
  }

  /** In the transaction that gives this op to this host. */
  copy(tx: Tx, opSeq: number, hostId: string, nowMs: number): void {
    insertCopy(tx.db, { op_seq: opSeq, host_id: hostId, created_at: nowMs });
    tx.afterCommit(() => this.copied.ring());
  }

  /** After that transaction: the sync keeps it back for the ack window. */
  carry(entry: HostEntry, opSeq: number): void {
    const untilMonoMs = this.#hub().world.clock.monoMs() + ACK_WINDOW_MS;
    const offer = findOffer(entry, opSeq);
    if (offer === undefined) return;
    withhold(offer, untilMonoMs);
    this.#carried.set(keyOf(entry.hostId, opSeq), { hostId: entry.hostId, opSeq, untilMonoMs });
    this.counts.copied += 1;
  }

  acknowledged(hostId: string, opId: string): void {
    const hub = this.#hub();
    const entry = hub.hosts.get(hostId);
    const offer = entry?.ops?.find((known) => known.opId === opId);
    if (entry === undefined || offer === undefined) return;
    if (this.#carried.delete(keyOf(hostId, offer.opSeq))) this.counts.acknowledged += 1;
    noteAcknowledged(entry, offer, hub.world.clock.monoMs());
  }

  /** An op that the bus cannot take, or whose message was refused. */
  failed(hostId: string, opSeq: number): void {
    if (this.#carried.delete(keyOf(hostId, opSeq))) this.#release(hostId, opSeq);
  }

  /** What was not acknowledged in time goes by sync, and who was silent for long is not counted on any more. */
  turn(nowMonoMs: number): void {
    for (const [key, { hostId, opSeq, untilMonoMs }] of this.#carried) {
      if (untilMonoMs > nowMonoMs) break;
      this.#carried.delete(key);
      this.counts.late += 1;
      this.#release(hostId, opSeq);
    }
    for (const [hostId, heardMs] of this.#heardMonoMs) {
      if (nowMonoMs - heardMs < ATTACHED_MS) break;
      this.#heardMonoMs.delete(hostId);
    }
  }

  #release(hostId: string, opSeq: number): void {
    const hub = this.#hub();
    const entry = hub.hosts.get(hostId);
    const offer = entry === undefined ? undefined : findOffer(entry, opSeq);
    if (entry === undefined || offer === undefined) return;
    withhold(offer, 0);
    hub.courier.wake(entry);
  }
}

const keyOf = (hostId: string, opSeq: number): string => `${opSeq} ${hostId}`;
