/**
 * May the record of ops be believed? Three witnesses: the ledger in agent.db, the marker file beside it, and the highest generation
 * that the hub has ever seen of this host. A ledger that is younger than a witness was lost or put back; it is never taken for an
 * empty one. The hub can only make a box stricter with its word: it can withhold ops anyway.
 *
 * An incident stays until a signed `agent.recover-ledger` names it, whatever the numbers say later.
 */
import type { LedgerState } from "./admit.ts";

/** Above this a hub's claim is nonsense: counting on from there would one day not be exact. */
export const GENERATION_MAX = 2 ** 50;

export interface LedgerSeen {
  /** Of the ledger itself; 0: there is none yet. */
  readonly generation: number;
  /** A checksum, a count or an index of it does not fit. */
  readonly isDamaged: boolean;
  readonly incident: { readonly is: "damaged" | "behind"; readonly id: string } | undefined;
}

export interface Witnesses {
  /** `damaged`: the file is there and is not what was written. */
  readonly marker: { readonly generation: number; readonly incident: LedgerSeen["incident"] } | "damaged" | undefined;
  /** 0: nothing heard. */
  readonly hubGeneration: number;
}

export type Finding = { readonly is: "sound" } | { readonly is: "damaged" | "behind"; readonly because: string };

/** What speaks against the ledger now, an older incident aside. */
export function examine(ledger: LedgerSeen, { marker, hubGeneration }: Witnesses): Finding {
  if (ledger.isDamaged) return { is: "damaged", because: "its rows are not as they were written" };
  if (marker === "damaged") return { is: "damaged", because: "the marker beside agent.db is not as it was written" };
  const marked = marker?.generation ?? 0;
  if (ledger.generation === 0 && marked > 0) return { is: "damaged", because: `it is gone, and ${marked} ops were recorded here` };
  if (ledger.generation < marked) return { is: "behind", because: `it is an older copy: generation ${ledger.generation}, and ${marked} was reached` };
  if (hubGeneration > ledger.generation && hubGeneration <= GENERATION_MAX)
    return { is: "behind", because: `this data directory is an older copy: generation ${ledger.generation}, and the hub has seen ${hubGeneration}` };
  return { is: "sound" };
}

/** The number to go on from: above every witness, so that none of them speaks up again for the same incident. */
export function resumeGeneration(ledger: LedgerSeen, { marker, hubGeneration }: Witnesses): number {
  const marked = marker === "damaged" ? 0 : (marker?.generation ?? 0);
  return Math.max(ledger.generation, marked, hubGeneration <= GENERATION_MAX ? hubGeneration : 0) + 1;
}

/** `behind` is the stricter: what it said of the past counts for nothing. */
export function stricter(a: "damaged" | "behind", b: "damaged" | "behind"): "damaged" | "behind" {
  return a === "behind" || b === "behind" ? "behind" : "damaged";
}

export function stateOf(incident: LedgerSeen["incident"]): LedgerState {
  return incident === undefined ? { is: "sound" } : { is: incident.is, incident: incident.id };
}
