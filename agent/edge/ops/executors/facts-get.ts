import type { FactValue } from "../../../../shared/protocol/report.ts";
import { collectFacts } from "../../facts/collect-facts.ts";
import { done, type Executor } from "../executor.ts";

/** Collected now. A path that this box has no fact for is named, not left out. */
export const factsGet: Executor<"facts.get"> = async ({ paths }, { world, desk }) => {
  const facts = await collectFacts(world, { factsDirs: desk.settings.factsDirs });
  if (paths === undefined) return done({ facts });
  const found: Record<string, FactValue> = {};
  const missing: string[] = [];
  for (const path of paths) {
    const value = path.split(".").reduce<FactValue | undefined>(step, facts);
    if (value === undefined) missing.push(path);
    else found[path] = value;
  }
  return done({ facts: found, ...(missing.length === 0 ? {} : { missing }) });
};

function step(at: FactValue | undefined, name: string): FactValue | undefined {
  if (typeof at !== "object" || at === null || Array.isArray(at) || !Object.hasOwn(at, name)) return undefined;
  return (at as { readonly [name: string]: FactValue })[name];
}
