import type { World } from "../../../shared/ports/world.ts";
import type { ServiceObserved, ServiceParams, ServiceStep } from "../../../shared/states/resources/service.ts";
import { serviceManagerOf } from "../facts/service-manager.ts";
import type { Provider } from "./provider.ts";
import { systemdProvider } from "./service-systemd.ts";
import { sysvinitProvider } from "./service-sysvinit.ts";

export type ServiceProvider = Provider<ServiceParams, ServiceObserved, ServiceStep>;

/** By what runs as init, not by what is installed; `undefined` with the reason when nothing here can keep services. */
export function serviceProviderOf(world: World): { readonly provider: ServiceProvider } | { readonly provider: undefined; readonly because: string } {
  const { name, because } = serviceManagerOf(world);
  if (name === "systemd") return { provider: systemdProvider(because) };
  if (name === "sysvinit") return { provider: sysvinitProvider(because) };
  return { provider: undefined, because: name === "openrc" ? "there is no provider for OpenRC yet" : because };
}
