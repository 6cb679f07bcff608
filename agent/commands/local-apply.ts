import type { Call, Run } from "../../shared/cli/command.ts";
import { converge } from "../edge/converge/converge.ts";
import { localInput } from "./local-input.ts";
import { presentFaults, presentOutcomes, presentPlan } from "./local-screen.ts";
import { readLocalState, writeLocalState } from "./local-state.ts";
import { textArgument } from "./option.ts";
import { quietWorld } from "./quiet-world.ts";

const LOCK = "/run/felhom-local.lock";

/** Brings this machine to what the directory says. A person asked, so nothing is held back after earlier failures. */
export const run: Run = async (call) => {
  const input = await localInput(call);
  const dir = textArgument(call, "dir");
  const lock = oneAtATime(call);
  try {
    const { path, retry } = readLocalState(call);
    const result = await converge(quietWorld(call), {
      ...input,
      mode: call.globals.dryRun ? "monitor" : "enforce",
      lastGood: undefined,
      retry,
      isAsked: true,
      isNewBundle: true,
      journal: (state) => writeLocalState(call, path, state),
      stop: call.terminal.interrupted,
    });
    if (!result.rendered.ok) return presentFaults(call, dir, result.rendered.faults);
    if (call.globals.dryRun) return presentPlan(call, dir, result);
    writeLocalState(call, path, result.retry);
    return presentOutcomes(call, dir, result);
  } finally {
    lock?.release();
  }
};

/** Two runs of root at once would undo each other's view of the machine. An ordinary user changes only what is theirs. */
function oneAtATime(call: Call): { release(): void } | undefined {
  return call.world.self.uid === 0 && !call.globals.dryRun ? call.world.files.lock("local.lock", LOCK) : undefined;
}
