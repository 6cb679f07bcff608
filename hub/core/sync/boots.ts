/**
 * Two machines with one identity (a cloned disk) and a data directory put back to an older copy both show in what the box says of
 * its starts. A boot id changes at a reboot and never comes back: one that does is a second machine. `run` counts starts on this
 * data directory and never falls: if it does, the directory is older than the one the hub last met.
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
