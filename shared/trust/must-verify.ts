import { Fault } from "../core/fault.ts";
import { REFUSALS, type Verdict } from "./verdict.ts";

/** For edges: the value, or a `refused` fault that names the check that fired. `action` is "Cannot take the hub's root". */
export function mustVerify<T>(verdict: Verdict<T>, action: string, remedy?: string): T {
  if (verdict.ok) return verdict.value;
  const { refusal, detail } = verdict;
  throw new Fault("refused", `${action}: ${REFUSALS[refusal]}${detail === "" ? "" : ` (${detail})`}`, {
    facts: { refusal },
    ...(remedy === undefined ? {} : { remedy }),
  });
}
