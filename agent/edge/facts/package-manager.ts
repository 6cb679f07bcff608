import type { World } from "../../../shared/ports/world.ts";
import { isThere, type Collector } from "./collector.ts";

const MANAGERS: readonly (readonly [string, string])[] = [
  ["/usr/bin/apt-get", "apt"],
  ["/usr/bin/dnf", "dnf"],
  ["/sbin/apk", "apk"],
];

/** Which one this box has, and how we know. */
export function packageManagerOf(world: World): { name: string; because: string } {
  const found = MANAGERS.find(([path]) => isThere(world, path));
  return found === undefined ? { name: "none", because: "neither apt-get, dnf nor apk is installed" } : { name: found[1], because: `${found[0]} is there` };
}

export const packageManager: Collector = { name: "package_manager", collect: (world) => packageManagerOf(world) };
