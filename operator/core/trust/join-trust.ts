import type { FleetId } from "../../../shared/core/ids.ts";
import { sha256Hex } from "../../../shared/protocol/fields.ts";
import type { JoinCode } from "../../../shared/trust/join-code.ts";
import type { TrustedRoot } from "../../../shared/trust/root.ts";

/** What a join code says of trust: where the chain begins, and how far it had come when the code was made. */
export function trustOf(fleet: {
  readonly fleetId: FleetId;
  readonly pin: string;
  readonly newest: TrustedRoot;
}): Pick<JoinCode, "fleetId" | "rootHash" | "newest"> {
  const { payload, hash } = fleet.newest;
  return { fleetId: fleet.fleetId, rootHash: sha256Hex.parse(fleet.pin), ...(payload.version === 1 ? {} : { newest: { version: payload.version, hash } }) };
}
