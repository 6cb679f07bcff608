import type { Run } from "../../shared/cli/command.ts";
import { mark } from "../../shared/cli/glyph.ts";
import { present } from "../../shared/cli/present.ts";
import { argText } from "../core/cli/option-values.ts";
import { Workstation } from "../edge/workstation.ts";

export const run: Run = (call) => {
  const workstation = new Workstation(call.world, call.globals.home);
  const context = workstation.context(argText(call, "name"));
  workstation.useContext(context.name);
  present(call, {
    kind: "Context",
    data: { name: context.name, hub: context.hubUrl, fleetId: context.fleetId },
    human: () => `  ${mark(call.terminal, "good", `${context.name} is in use`)}  ${context.hubUrl}`,
    next: "felhom status",
  });
  return Promise.resolve(0);
};
