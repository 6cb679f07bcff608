import { Fault } from "../../../../shared/core/fault.ts";
import type { TrustedRoot } from "../../../../shared/trust/root.ts";
import type { Hub } from "../../hub.ts";

/** The root in force. Throws `conflict` while the hub has no fleet. */
export function fleetRoot(hub: Hub): TrustedRoot {
  const { root } = hub.fleet;
  if (root === undefined)
    throw new Fault("conflict", "Cannot do that yet: this hub has no fleet", { remedy: "Run felhom login with --setup-token-file on your workstation" });
  return root;
}
