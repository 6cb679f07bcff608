/**
 * What a box may still be given or asked back, in memory beside its other state, so that a sync looks at one field and at no table.
 * Most boxes have none. The truth is in `op_targets`; this is read from there at start and kept after each commit.
 *
 * An op is offered until the box answers. How soon again: at once twice, when the box shows no sign of it (its record of ops did not
 * grow, so the reply was lost on the way); else once a minute, for a box that lost its own memory of it.
 */
import type { HostEntry } from "../sync/host-table.ts";

export interface Offer {
  readonly opSeq: number;
  readonly opId: string;
  /** On disk as `delivered`: the box may have it. */
  marked: boolean;
  /** A signed part of an answer is stored: the box has it on its own disk. */
  begun: boolean;
  /** To be asked back. */
  cancelled: boolean;
  times: number;
  atMonoMs: number;
  /** What the box said of its record of ops when it was last given. */
  ledger: number;
  /** Until then another carrier has it: the sync keeps it back. */
  withheldMonoMs: number;
}

/** Of ops in one reply; the rest follows with the next. */
export const OFFERS_PER_REPLY_MAX = 64;
export const OFFER_BYTES_MAX = 4 * 1024 * 1024;
export const HINTS_PER_REPLY_MAX = 256;
const AGAIN_MS = [0, 2_000, 10_000] as const;
const AGAIN_MS_MAX = 60_000;

export function newOffer(opSeq: number, opId: string, known: { readonly marked: boolean; readonly begun: boolean; readonly cancelled: boolean }): Offer {
  return { opSeq, opId, ...known, times: 0, atMonoMs: 0, ledger: 0, withheldMonoMs: 0 };
}

/** Milliseconds until it is to be told; 0: now; Infinity: never again by itself. */
function dueInMs(offer: Offer, ledgerSaid: number, nowMonoMs: number): number {
  if (offer.begun && !offer.cancelled) return Number.POSITIVE_INFINITY;
  const isKnownThere = !offer.cancelled && offer.times > 0 && ledgerSaid > offer.ledger;
  const pause = isKnownThere ? AGAIN_MS_MAX : (AGAIN_MS[offer.times] ?? AGAIN_MS_MAX);
  const withheld = Math.max(0, offer.withheldMonoMs - nowMonoMs);
  return offer.times === 0 ? withheld : Math.max(withheld, offer.atMonoMs + pause - nowMonoMs);
}

export function hasDueOffer(entry: HostEntry, nowMonoMs: number): boolean {
  return entry.ops !== undefined && entry.ops.some((offer) => dueInMs(offer, entry.ledgerSaid, nowMonoMs) === 0);
}

/** An op that it was never given is due. */
export function hasFirstOffer(entry: HostEntry, nowMonoMs: number): boolean {
  return entry.ops !== undefined && entry.ops.some((offer) => offer.times === 0 && !offer.cancelled && dueInMs(offer, entry.ledgerSaid, nowMonoMs) === 0);
}

/** How long a request of this box may be held, so that nothing is told late. */
export function nextOfferInMs(entry: HostEntry, nowMonoMs: number): number {
  return entry.ops === undefined ? Number.POSITIVE_INFINITY : Math.min(...entry.ops.map((offer) => dueInMs(offer, entry.ledgerSaid, nowMonoMs)));
}

/** What goes into the next reply, oldest first. */
export function dueOffers(entry: HostEntry, nowMonoMs: number): { readonly give: readonly Offer[]; readonly askBack: readonly Offer[] } {
  const due = (entry.ops ?? []).filter((offer) => dueInMs(offer, entry.ledgerSaid, nowMonoMs) === 0);
  return {
    give: due.filter((offer) => !offer.cancelled).slice(0, OFFERS_PER_REPLY_MAX),
    askBack: due.filter((offer) => offer.cancelled).slice(0, HINTS_PER_REPLY_MAX),
  };
}

export function noteTold(entry: HostEntry, offer: Offer, nowMonoMs: number): void {
  offer.times += 1;
  offer.atMonoMs = nowMonoMs;
  offer.ledger = entry.ledgerSaid;
}

/** The box started anew: what it was told before may have been lost with its connection. Due at once, and no first offer: a box says how often it starts. */
export function tellAnew(entry: HostEntry): void {
  for (const offer of entry.ops ?? []) {
    if (offer.times === 0) continue;
    offer.times = 1;
    offer.atMonoMs = Number.NEGATIVE_INFINITY;
  }
}

/** Another carrier has it: not by sync before then. 0 ends that. */
export function withhold(offer: Offer, untilMonoMs: number): void {
  offer.withheldMonoMs = untilMonoMs;
}

/** The box says, over another carrier, that it has written it down. It is offered again as to one that lost its memory. */
export function noteAcknowledged(entry: HostEntry, offer: Offer, nowMonoMs: number): void {
  offer.withheldMonoMs = 0;
  offer.times = Math.max(offer.times, AGAIN_MS.length);
  offer.atMonoMs = nowMonoMs;
  offer.ledger = entry.ledgerSaid;
}

export function putOffer(entry: HostEntry, offer: Offer): void {
  if (entry.ops?.some(({ opSeq }) => opSeq === offer.opSeq) === true) return;
  entry.ops = [...(entry.ops ?? []), offer];
}

export function dropOffer(entry: HostEntry, opSeq: number): void {
  if (entry.ops === undefined) return;
  const left = entry.ops.filter((offer) => offer.opSeq !== opSeq);
  entry.ops = left.length === 0 ? undefined : left;
}

export const findOffer = (entry: HostEntry, opSeq: number): Offer | undefined => entry.ops?.find((offer) => offer.opSeq === opSeq);
