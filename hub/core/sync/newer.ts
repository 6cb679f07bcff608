import type { Have } from "../../../shared/protocol/sync.ts";

/** Versions at the hub, as one host should see them. */
export interface Newest {
  readonly root: number;
  readonly cert: number;
  readonly bundle: number;
  readonly spec: number;
}

/** Nothing here is newer than what the box holds, and nothing there is newer than what the hub holds. */
export function isSettled(have: Have, newest: Newest): boolean {
  return have.root === newest.root && have.bundle === newest.bundle && have.spec === newest.spec && have.cert === newest.cert;
}

export function hasNewer(have: Have, newest: Newest): boolean {
  return have.root < newest.root || have.bundle < newest.bundle || have.spec < newest.spec || have.cert < newest.cert;
}

/**
 * The box holds signed documents that this hub lacks: it was restored from an old backup. What is signed is asked for (`offer`);
 * a spec is not signed, so only its number is taken over (`adoptGeneration`).
 */
export function lacksSigned(have: Have, newest: Newest): boolean {
  return have.root > newest.root || have.bundle > newest.bundle || have.cert > newest.cert;
}

export const GENERATION_STEP_MAX = 1_000_000;

/**
 * The generation to go on from when a box has seen a higher one: its own, so that the operator's next edit is above it and
 * counts. The hub's older content is not pushed over the box's newer one. A number absurdly far ahead is a lie and is ignored.
 */
export function adoptGeneration(boxHas: number, hubHas: number): number | undefined {
  return boxHas > hubHas && boxHas - hubHas <= GENERATION_STEP_MAX ? boxHas : undefined;
}
