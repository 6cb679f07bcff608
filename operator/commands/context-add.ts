import type { Run } from "../../shared/cli/command.ts";
import { mark } from "../../shared/cli/glyph.ts";
import { present } from "../../shared/cli/present.ts";
import { argText, optionList, optionText } from "../core/cli/option-values.ts";
import { readHubUrl, readPins } from "../core/hub-url.ts";
import { chooseFleet } from "../edge/choose-fleet.ts";
import { Workstation } from "../edge/workstation.ts";

export const run: Run = (call) => {
  const workstation = new Workstation(call.world, call.globals.home);
  const hubUrl = readHubUrl(optionText(call, "hub") ?? "");
  const { fleetId } = chooseFleet(workstation, { fleet: optionText(call, "fleet"), contextName: undefined, hubUrl });
  const context = { name: argText(call, "name"), hubUrl, pins: readPins(optionList(call, "pin")), fleetId };
  workstation.saveContext(context);
  present(call, {
    kind: "Context",
    data: { name: context.name, hub: hubUrl, pins: context.pins, fleetId },
    human: () => `  ${mark(call.terminal, "good", `${context.name} added`)}  ${hubUrl}`,
    next: `felhom login --context ${context.name}`,
  });
  return Promise.resolve(0);
};
