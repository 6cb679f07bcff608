import type { ObservedOf, ResourceType, StepOf, WantedOf } from "../../../shared/states/resources/registry.ts";
import type { World } from "../../../shared/ports/world.ts";
import { packageManagerOf } from "../facts/package-manager.ts";
import { commandProvider } from "../providers/command.ts";
import { cronProvider } from "../providers/cron.ts";
import { directoryProvider } from "../providers/directory.ts";
import { fileProvider } from "../providers/file.ts";
import { groupProvider } from "../providers/group.ts";
import { lineProvider } from "../providers/line.ts";
import { packageProvider } from "../providers/package.ts";
import type { Provider } from "../providers/provider.ts";
import { serviceProviderOf } from "../providers/service.ts";
import { symlinkProvider } from "../providers/symlink.ts";
import { userProvider } from "../providers/user.ts";

export type ProviderOf<T extends ResourceType> = Provider<WantedOf<T>, ObservedOf<T>, StepOf<T>>;
/** Who serves a type on this box, or why nobody can. */
export type Chosen<T extends ResourceType> = { readonly provider: ProviderOf<T> } | { readonly provider: undefined; readonly because: string };
export type Providers = { readonly [T in ResourceType]: Chosen<T> };

/** One line per type: the box chooses where there is a choice (who manages services, who packages), and says why. */
export function chooseProviders(world: World): Providers {
  const packages = packageManagerOf(world);
  const services = serviceProviderOf(world);
  return {
    file: { provider: fileProvider },
    directory: { provider: directoryProvider },
    symlink: { provider: symlinkProvider },
    line: { provider: lineProvider },
    command: { provider: commandProvider },
    package:
      packages.name === "apt"
        ? { provider: { ...packageProvider, because: packages.because } }
        : { provider: undefined, because: `only apt is supported, ${packages.because}` },
    service: services,
    user: { provider: userProvider },
    group: { provider: groupProvider },
    cron: { provider: cronProvider },
  };
}
