/**
 * Defects on purpose. Each is planted from outside, around the World that a process gets or around the program that it starts, never in
 * product code; each must be caught by a named checker in every run of the tests. A simulator that finds nothing proves
 * nothing until it has been seen to find these.
 */
import type { SimulateOptions } from "../simulate.ts";
import { DATA_BUGS } from "./data-bugs.ts";
import { HUB_BUGS } from "./hub-bugs.ts";
import { OPS_BUGS } from "./ops-bugs.ts";
import { TRUST_BUGS } from "./trust-bugs.ts";

export interface Bug {
  readonly name: string;
  readonly what: string;
  /** The checker that has to notice. Others may too. */
  readonly caughtBy: string;
  /** A fresh plant for one run. */
  plant(): Partial<SimulateOptions>;
}

export const BUGS: readonly Bug[] = [...DATA_BUGS, ...HUB_BUGS, ...OPS_BUGS, ...TRUST_BUGS];
