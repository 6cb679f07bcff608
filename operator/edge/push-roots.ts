/**
 * Roots between this workstation and a hub, both ways. The workstation is the source: the hub gets what it lacks. What the hub has
 * beyond ours (another operator rotated) is taken when it chains from our newest, and refused loudly when it does not.
 */
import type { Call } from "../../shared/cli/command.ts";
import { flatten, isFault } from "../../shared/core/fault.ts";
import { getRoots, uploadRoot } from "./hub-api.ts";
import { openSession } from "./session.ts";
import type { FleetRoots, Workstation } from "./workstation.ts";

export type RootExchange =
  | { readonly is: "done"; readonly pushed: number; readonly pulled: number; readonly fleet: FleetRoots }
  /** Nothing was lost: everything is kept here and goes out next time. */
  | { readonly is: "kept"; readonly because: string; readonly fleet: FleetRoots };

/** Throws `refused` only when the hub shows a root that does not chain; a hub that can't be reached is `kept`. */
export async function exchangeRoots(call: Call, workstation: Workstation, fleet: FleetRoots): Promise<RootExchange> {
  const context = workstation.contextIfAny(call.globals.context);
  if (context === undefined || context.fleetId !== fleet.fleetId) return { is: "kept", because: "no hub is known for this fleet yet", fleet };
  try {
    const { hub } = await openSession(call, { roots: "held" });
    const theirs = await getRoots(hub);
    const extended = theirs.length > fleet.chain.length ? workstation.extendRoots(fleet.fleetId, theirs.slice(fleet.chain.length)) : fleet;
    const missing = extended.chain.slice(theirs.length);
    for (const root of missing) await uploadRoot(hub, root);
    return { is: "done", pushed: missing.length, pulled: extended.chain.length - fleet.chain.length, fleet: extended };
  } catch (error) {
    if (isFault(error) && error.code !== "refused") return { is: "kept", because: flatten(error), fleet: workstation.roots(fleet.fleetId) };
    throw error;
  }
}
