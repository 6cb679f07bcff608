/**
 * An invariant that is looked at after every turn of a simulation. A checker compares the machines with the truth; it changes
 * nothing and asks no machine for its opinion. One file each, so that a violation names the promise that was broken.
 */
import type { Database } from "../../ports/databases.ts";
import type { Truth } from "../cluster/truth.ts";
import type { SimMachine } from "../sim-machine.ts";

export interface BoxView {
  readonly machine: SimMachine;
  readonly dataDir: string;
  /** Undefined before its enrollment. */
  hostId(): string | undefined;
  /** The agent's database as it is on disk, past the simulation's faults; undefined while there is none or it is damaged. */
  database(): Database | undefined;
  /** Tells one database file from the one that took its place. */
  databaseId(): number | undefined;
  /** A file's text as it is on disk. */
  text(path: string): string | undefined;
  /** How often the keeper found the agent giving itself up, and why. */
  readonly failures: readonly unknown[];
  readonly slowStops: number;
}

export interface HubView {
  readonly machine: SimMachine;
  database(): Database | undefined;
  readonly failures: readonly unknown[];
  readonly slowStops: number;
}

export interface View {
  readonly truth: Truth;
  readonly nowMs: number;
  readonly hub: HubView;
  readonly boxes: readonly BoxView[];
}

export type Report = (text: string) => void;

export interface Checker {
  readonly name: string;
  /** After a turn in which the hub committed something. */
  afterHub?(view: View, report: Report): void;
  /** After a turn in which this box changed something. */
  afterBox?(view: View, box: BoxView, report: Report): void;
  /** Now and then, and at the end. */
  sometimes?(view: View, report: Report): void;
  /** Once the faults have stopped and time was given: everything must be settled. Says what is not. */
  settled?(view: View): readonly string[];
}
