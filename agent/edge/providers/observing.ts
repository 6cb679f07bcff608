import { Fault, flatten } from "../../../shared/core/fault.ts";
import type { Observation } from "./provider.ts";

/** One boundary for all observers: what throws for one resource is that resource's failure and nobody else's. */
export function observeEach<Wanted, Observed>(wanted: readonly Wanted[], look: (one: Wanted) => Observed): readonly Observation<Observed>[] {
  return wanted.map((one) => {
    try {
      return { ok: true, observed: look(one) };
    } catch (error) {
      return { ok: false, fault: asFault(error) };
    }
  });
}

export async function observeEachAsync<Wanted, Observed>(
  wanted: readonly Wanted[],
  look: (one: Wanted) => Promise<Observed>,
): Promise<readonly Observation<Observed>[]> {
  const seen: Observation<Observed>[] = [];
  for (const one of wanted) {
    try {
      seen.push({ ok: true, observed: await look(one) });
    } catch (error) {
      seen.push({ ok: false, fault: asFault(error) });
    }
  }
  return seen;
}

/** A defect in a provider (an `assert`, a TypeError) fails its resource like a fault does; the text says what it was. */
export function asFault(error: unknown): Fault {
  return error instanceof Fault ? error : new Fault("exec_failed", `Cannot go on: ${flatten(error)}`, { cause: error });
}
