import type { Run } from "../../shared/cli/command.ts";
import { Fault } from "../../shared/core/fault.ts";
import { NAME } from "../../shared/core/ids.ts";
import { ROLES } from "../../shared/trust/payloads.ts";
import { argText, optionList } from "../core/cli/option-values.ts";
import { readPins } from "../core/hub-url.ts";
import { readKey, readRoles } from "../core/trust/root-edit.ts";
import { changeRoot } from "../edge/root-change.ts";

/** A key into the root, into some roles or all; or a hub key's pin, while a hub's key is being replaced. */
export const run: Run = async (call) => {
  const pins = readPins(optionList(call, "hub-pin"));
  const [label, key] = [argText(call, "name"), argText(call, "key")];
  if (pins.length > 0) {
    if (label !== "") throw new Fault("bad_request", "Cannot add a key and a hub's pin at once", { remedy: "Run the command twice." });
    return changeRoot(call, (fleet, workstation) => {
      // The first signed pin replaces what workstations and boxes were given: what is in use now must be among them.
      const inUse = fleet.newest.payload.hub_pins.length === 0 ? (workstation.contextIfAny(call.globals.context)?.pins ?? []) : [];
      return { do: "hub-pins", add: [...inUse, ...pins], remove: [] };
    });
  }
  if (label === "" || key === "")
    throw new Fault("bad_request", "Cannot add a key: its name or the key itself is missing", {
      remedy: "felhom trust add NAME ed25519:… --role ROLE; felhom key export NAME prints the key.",
    });
  if (!NAME.test(label))
    throw new Fault("bad_request", `Cannot use the name ${label} for a key`, {
      remedy: "Lower-case letters, digits, dots, dashes and underscores, at most 63.",
    });
  const publicKey = readKey(key);
  const roles = readRoles(optionList(call, "role"));
  return changeRoot(call, () => ({ do: "add-key", publicKey, label, roles: roles.length === 0 ? ROLES : roles }));
};
