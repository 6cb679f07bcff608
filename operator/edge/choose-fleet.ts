import { Fault } from "../../shared/core/fault.ts";
import type { FleetId } from "../../shared/core/ids.ts";
import type { FleetRoots, Workstation } from "./workstation.ts";

/** Which of the fleets that are pinned here: named, or of the context that is renewed, or the only one. */
export function chooseFleet(
  workstation: Workstation,
  wanted: { readonly fleet: string | undefined; readonly contextName: string | undefined; readonly hubUrl: string },
): FleetRoots {
  const { fleet: asked, contextName, hubUrl } = wanted;
  const all = workstation.fleets().map((id: FleetId) => workstation.roots(id));
  const { all: contexts } = workstation.contexts();
  const same = contexts.find((context) => context.name === contextName || (contextName === undefined && context.hubUrl === hubUrl));
  const found =
    asked === undefined
      ? all.length === 1
        ? all
        : all.filter(({ fleetId }) => fleetId === same?.fleetId)
      : all.filter(({ fleetId, newest }) => fleetId === asked || newest.payload.fleet_name === asked);
  const [only] = found;
  if (only !== undefined && found.length === 1) return only;
  if (all.length === 0)
    throw new Fault("not_found", "Cannot log in: no fleet is known on this workstation", {
      remedy: "felhom key new NAME --fleet NAME makes one; --join CODE takes over one that exists.",
    });
  throw new Fault("bad_request", asked === undefined ? `Cannot tell which fleet is meant: ${all.length} are known here` : `Cannot find the fleet ${asked}`, {
    remedy: `--fleet ${all.map(({ newest }) => newest.payload.fleet_name).join(" or --fleet ")}`,
  });
}
