import type { StateFault } from "../../../shared/states/state-fault.ts";
import { faultText } from "../../../shared/states/state-fault.ts";
import type { Change } from "./compare-resources.ts";

/** What a fleet directory would change where, and the same with identical changes folded. */
export interface HostPlan {
  readonly name: string;
  readonly hostId: string;
  /** The bundle that it is compared with; 0 is none. */
  readonly bundle: number;
  readonly changes: readonly Change[];
  /** Why there is no plan for it; then `changes` is empty. */
  readonly faults: readonly StateFault[];
  /** What makes the comparison weaker than it looks. */
  readonly notes: readonly string[];
}

export interface Folded<T> {
  readonly what: T;
  readonly hosts: readonly string[];
}

export interface PlanCounts {
  readonly hosts: number;
  readonly changing: number;
  readonly unchanged: number;
  readonly unplanned: number;
  readonly add: number;
  readonly change: number;
  readonly remove: number;
}

/** Equal things of several hosts become one with their names, in the order of first sight. */
export function fold<T>(hosts: readonly HostPlan[], of: (host: HostPlan) => readonly T[], key: (one: T) => string): readonly Folded<T>[] {
  const folded = new Map<string, { what: T; hosts: string[] }>();
  for (const host of hosts) {
    for (const one of of(host)) {
      const known = folded.get(key(one));
      if (known === undefined) folded.set(key(one), { what: one, hosts: [host.name] });
      else if (known.hosts.at(-1) !== host.name) known.hosts.push(host.name);
    }
  }
  return [...folded.values()];
}

export const foldChanges = (hosts: readonly HostPlan[]): readonly Folded<Change>[] =>
  fold(
    hosts,
    ({ changes }) => changes,
    (change) => JSON.stringify(change),
  );
export const foldFaults = (hosts: readonly HostPlan[]): readonly Folded<StateFault>[] => fold(hosts, ({ faults }) => faults, faultText);
export const foldNotes = (hosts: readonly HostPlan[]): readonly Folded<string>[] =>
  fold(
    hosts,
    ({ notes }) => notes,
    (note) => note,
  );

export function planCounts(hosts: readonly HostPlan[]): PlanCounts {
  const count = (action: Change["action"]) => hosts.reduce((sum, { changes }) => sum + changes.filter((change) => change.action === action).length, 0);
  const unplanned = hosts.filter(({ faults }) => faults.length > 0).length;
  const changing = hosts.filter(({ changes }) => changes.length > 0).length;
  return {
    hosts: hosts.length,
    changing,
    unchanged: hosts.length - changing - unplanned,
    unplanned,
    add: count("add"),
    change: count("change"),
    remove: count("remove"),
  };
}
