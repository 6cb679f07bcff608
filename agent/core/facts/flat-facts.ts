import type { FactValue } from "../../../shared/protocol/report.ts";

/** Facts as lines: the name as an expression writes it after `fact.`, and the value. Empty lists and maps are shown as such. */
export function flatFacts(value: FactValue, name = ""): readonly (readonly [string, string])[] {
  if (value === null || typeof value !== "object") return [[name, value === null ? "–" : String(value)]];
  if (Array.isArray(value)) {
    const items: readonly FactValue[] = value;
    if (items.length === 0) return [[name, "[]"]];
    if (items.every((item) => item === null || typeof item !== "object")) return [[name, items.join(", ")]];
    return items.flatMap((item, at) => flatFacts(item, `${name}[${at}]`));
  }
  const entries = Object.entries(value);
  if (entries.length === 0) return name === "" ? [] : [[name, "{}"]];
  return entries.flatMap(([key, inner]: [string, FactValue]) => flatFacts(inner, name === "" ? key : `${name}.${key}`));
}
