import type { FactValue } from "../../../shared/protocol/report.ts";

/** What a box says of itself: one section per collector. A collector that failed leaves `{ error }` as its section and a line in `errors`. */
export type Facts = Readonly<Record<string, FactValue>>;

export const FACT_DEPTH_MAX = 8;
export const FACT_NODES_MAX = 4_096;
export const FACT_TEXT_MAX = 4_096;

/**
 * Judges a custom fact: scalars, lists and maps within the bounds of the wire. Returns the reason it is refused, or nothing.
 * `__proto__` and the like are refused rather than stripped (faults.md, attack 31).
 */
export function factRefusal(value: unknown): string | undefined {
  const budget = { left: FACT_NODES_MAX };
  return refusalAt(value, 1, budget);
}

function refusalAt(value: unknown, depth: number, budget: { left: number }): string | undefined {
  if (--budget.left < 0) return `more than ${FACT_NODES_MAX} values`;
  if (value === null || typeof value === "boolean") return undefined;
  if (typeof value === "number") return Number.isFinite(value) ? undefined : "a number that is not finite";
  if (typeof value === "string") return value.length <= FACT_TEXT_MAX ? undefined : `a text of more than ${FACT_TEXT_MAX} characters`;
  if (typeof value !== "object") return `a value of type ${typeof value}`;
  if (depth >= FACT_DEPTH_MAX) return `more than ${FACT_DEPTH_MAX} levels`;
  for (const [name, inner] of Object.entries(value)) {
    if (!Array.isArray(value) && !/^[A-Za-z][A-Za-z0-9_]{0,63}$/.test(name)) return `the name ${JSON.stringify(name.slice(0, 64))}`;
    const refusal = refusalAt(inner, depth + 1, budget);
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}
