/**
 * Two machines with one identity (a cloned disk) and a data directory put back to an older copy both show in what the box says of
 * its starts. A boot id changes at a reboot and never comes back: one that does is a second machine. `run` counts starts on this
 * data directory and never falls: if it does, the directory is older than the one the hub last met. So is its record of ops, when its
 * generation falls.
 *
 * A request that was late says the same things: of an earlier run, of the boot before, of a moment ago. So none of this is believed at
 * once. The one who says it is given a word that nobody knew before, and whoever says that word lives: a late request can't.
 */
export interface Starts {
  readonly bootId: string;
  readonly bootIdBefore: string;
  readonly run: number;
}

export interface StartsTurn {
  readonly starts: Starts;
  readonly cloned: boolean;
  readonly rolledBack: boolean;
}

export function turnStarts(known: Starts, said: { readonly bootId: string; readonly run: number }): StartsTurn {
  const isFirst = known.bootId === "";
  const sameBoot = said.bootId === known.bootId;
  const cloned = !isFirst && !sameBoot && said.bootId === known.bootIdBefore;
  // A clone counts its own starts, so its numbers say nothing about the directory of the other.
  const rolledBack = !isFirst && !cloned && said.run < known.run;
  return {
    starts: { bootId: said.bootId, bootIdBefore: sameBoot ? known.bootIdBefore : known.bootId, run: said.run },
    cloned,
    rolledBack,
  };
}

/** -1: it tells no generation, or has told none yet. Once it fell, it is not falling again at every request. */
export const hasLedgerFallen = (said: number, before: number, highest: number): boolean => said >= 0 && said < highest && (before < 0 || before >= highest);

export interface Proof {
  /** Given with a doubt and not yet heard again; empty: none. */
  readonly asked: string;
  /** What came with this request; undefined: this agent knows nothing of it, and is believed as it is. */
  readonly echoed: string | undefined;
}

/** Whether what this request says of its sender is to be acted upon only when the sender has shown that it lives. */
export function needsProof(turn: Pick<StartsTurn, "cloned" | "rolledBack">, ledgerFell: boolean, { asked, echoed }: Proof): boolean {
  if (!turn.cloned && !turn.rolledBack && !ledgerFell) return false;
  return echoed !== undefined && (asked === "" || echoed !== asked);
}
