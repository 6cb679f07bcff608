import { Fault } from "../../../shared/core/fault.ts";
import { REFUSALS, type Verdict } from "../../../shared/trust/verdict.ts";

/** Turns a refusal into the fault that a route answers with: `facts.refusal` is the stable code that the problem carries. */
export function orRefuse<T>(what: string, verdict: Verdict<T>): T {
  if (verdict.ok) return verdict.value;
  const detail = verdict.detail === "" ? "" : ` (${verdict.detail.slice(0, 256)})`;
  throw new Fault("refused", `Cannot take this ${what}: ${REFUSALS[verdict.refusal]}${detail}`, { facts: { refusal: verdict.refusal } });
}
