import type { Run } from "../../shared/cli/command.ts";
import { converge } from "../edge/converge/converge.ts";
import { localInput } from "./local-input.ts";
import { presentFaults, presentPlan } from "./local-screen.ts";
import { readLocalState } from "./local-state.ts";
import { textArgument } from "./option.ts";
import { quietWorld } from "./quiet-world.ts";

/** Looks and says what would be done. Changes nothing. */
export const run: Run = async (call) => {
  const input = await localInput(call);
  const result = await converge(quietWorld(call), { ...input, mode: "monitor", lastGood: undefined, retry: readLocalState(call).retry, isAsked: true });
  const dir = textArgument(call, "dir");
  return result.rendered.ok ? presentPlan(call, dir, result) : presentFaults(call, dir, result.rendered.faults);
};
