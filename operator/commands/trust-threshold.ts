import type { Run } from "../../shared/cli/command.ts";
import { Fault } from "../../shared/core/fault.ts";
import { argText } from "../core/cli/option-values.ts";
import { readRoles } from "../core/trust/root-edit.ts";
import { changeRoot } from "../edge/root-change.ts";

export const run: Run = async (call) => {
  const [role] = readRoles([argText(call, "role")]);
  const text = argText(call, "count");
  const threshold = Number(text);
  if (role === undefined || !/^[1-9][0-9]?$/.test(text) || threshold > 16)
    throw new Fault("bad_request", `Cannot set the threshold ${text}`, { remedy: "A whole number from 1 to 16, at most the number of keys in the role." });
  return changeRoot(call, () => ({ do: "threshold", role, threshold }));
};
