import { flatten } from "../../../shared/core/fault.ts";
import type { Resource } from "../../../shared/states/resource.ts";
import type { ResourceType } from "../../../shared/states/resources/registry.ts";
import type { Seen } from "../../core/converge/judge.ts";
import type { ProviderContext } from "../providers/provider.ts";
import type { Providers } from "./providers.ts";

/** Looks at all of them, each type in one go. Never throws: what cannot be seen is a `Seen` that says why. */
export async function observe(context: ProviderContext, providers: Providers, resources: readonly Resource[]): Promise<Map<string, Seen>> {
  const seen = new Map<string, Seen>();
  for (const [type, group] of Map.groupBy(resources, ({ type }) => type)) {
    for (const [id, one] of await observeType(context, providers, type, group)) seen.set(id, one);
  }
  return seen;
}

async function observeType<T extends ResourceType>(
  context: ProviderContext,
  providers: Providers,
  type: T,
  group: readonly Resource[],
): Promise<readonly (readonly [string, Seen])[]> {
  const all = (because: string): readonly (readonly [string, Seen])[] => group.map(({ id }) => [id, { ok: false, because }]);
  const chosen: Providers[T] = providers[type];
  if (chosen.provider === undefined) return all(`this box has no provider for ${type}: ${chosen.because}`);
  const mine = group.filter((resource): resource is Resource<T> => resource.type === type);
  try {
    const observations = await chosen.provider.observe(
      context,
      mine.map(({ params }) => params),
    );
    return mine.map(({ id }, at) => {
      const observation = observations[at];
      if (observation === undefined) return [id, { ok: false, because: "its provider did not answer" }];
      return [id, observation.ok ? { ok: true, observed: observation.observed } : { ok: false, because: context.parents.inWords(observation.fault.message) }];
    });
  } catch (error) {
    return all(flatten(error));
  }
}
