import type { World } from "../../../shared/ports/world.ts";
import { isThere, readDetail, type Collector } from "./collector.ts";

export type ServiceManager = "systemd" | "openrc" | "sysvinit" | "none";

/** sd_booted(3): /run/systemd/system exists exactly when systemd is the running init. An installed systemctl proves nothing. */
export function serviceManagerOf(world: World): { name: ServiceManager; because: string } {
  if (isThere(world, "/run/systemd/system")) return { name: "systemd", because: "systemd runs as the init (/run/systemd/system is there)" };
  if (isThere(world, "/run/openrc/softlevel")) return { name: "openrc", because: "/run/openrc/softlevel is there" };
  if (isThere(world, "/etc/init.d"))
    return { name: "sysvinit", because: `/etc/init.d is there and the init is ${readDetail(world, "/proc/1/comm") || "unknown"}` };
  return { name: "none", because: "there is neither a running systemd nor /etc/init.d" };
}

export const serviceManager: Collector = { name: "service_manager", collect: (world) => serviceManagerOf(world) };
