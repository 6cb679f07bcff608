import type { Run } from "../../shared/cli/command.ts";
import { Fault } from "../../shared/core/fault.ts";
import { ROLES } from "../../shared/trust/payloads.ts";
import { argText, optionList } from "../core/cli/option-values.ts";
import { readPins } from "../core/hub-url.ts";
import { chooseKey, readRoles } from "../core/trust/root-edit.ts";
import { changeRoot } from "../edge/root-change.ts";

export const run: Run = async (call) => {
  const pins = readPins(optionList(call, "hub-pin"));
  const asked = argText(call, "key");
  if ((asked === "") === (pins.length === 0))
    throw new Fault("bad_request", "Cannot tell what to remove: name either a key or a hub's pin", { remedy: "felhom trust show lists both." });
  const roles = readRoles(optionList(call, "role"));
  return changeRoot(call, ({ newest }) => {
    const unknown = pins.find((pin) => !newest.payload.hub_pins.includes(pin));
    if (unknown !== undefined) throw new Fault("not_found", `Cannot remove the hub key ${unknown}: it is not in the root`);
    if (pins.length > 0) return { do: "hub-pins", add: [], remove: pins };
    return { do: "remove-key", keyId: chooseKey(newest.payload, asked), roles: roles.length === 0 ? ROLES : roles };
  });
};
