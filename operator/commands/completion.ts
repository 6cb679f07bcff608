import type { Run } from "../../shared/cli/command.ts";
import { Fault } from "../../shared/core/fault.ts";
import { completionScript, SHELLS } from "../core/cli/completion-script.ts";
import { argText } from "../core/cli/option-values.ts";

export const run: Run = async (call) => {
  const asked = argText(call, "shell");
  const shell = SHELLS.find((known) => known === asked);
  if (shell === undefined) throw new Fault("bad_request", `Cannot complete for ${asked}`, { remedy: `One of ${SHELLS.join(", ")}.` });
  call.terminal.out(completionScript(shell, (await call.catalogue?.()) ?? []));
  return 0;
};
