import { base32 } from "../../../shared/core/bytes.ts";
import { Fault } from "../../../shared/core/fault.ts";
import { isFleetId, NAME } from "../../../shared/core/ids.ts";
import { assert } from "../../../shared/core/assert.ts";
import { type SigningKey, spellKey } from "../../../shared/trust/keys.ts";
import type { RootPayload } from "../../../shared/trust/payloads.ts";
import { ROOT_LIFETIME_MS } from "./root-edit.ts";

export interface FirstRoot {
  readonly fleetName: string;
  readonly key: SigningKey;
  readonly label: string;
  /** Ten random bytes: the fleet's id for ever. */
  readonly fleetRandom: Uint8Array;
  readonly nowMs: number;
}

/** Version 1 of a new fleet: one key in every role, threshold 1. The same code runs as in a fleet with ten keys. */
export function firstRoot({ fleetName, key, label, fleetRandom, nowMs }: FirstRoot): RootPayload {
  if (!NAME.test(fleetName))
    throw new Fault("bad_request", `Cannot use the fleet name ${fleetName}`, {
      remedy: "Lower-case letters, digits, dots, dashes and underscores, at most 63.",
    });
  const fleetId = `f-${base32(fleetRandom)}`;
  assert(isFleetId(fleetId), "ten bytes make a fleet id");
  const role = { keys: [key.keyId], threshold: 1 };
  return {
    v: 1,
    fleet_id: fleetId,
    fleet_name: fleetName,
    version: 1,
    created_at: nowMs,
    expires_at: nowMs + ROOT_LIFETIME_MS,
    keys: { [key.keyId]: { public: spellKey(key.publicKey), label } },
    roles: { root: role, admit: role, publish: role, operate: role, destroy: role, release: role },
    hub_pins: [],
  };
}
