import {
  addressesByRoute,
  parseAddresses6,
  parseDefaultRoutes6,
  parseLocalAddresses4,
  parseRoutes4,
  type InterfaceAddress,
  type Route,
} from "../../core/facts/routes.ts";
import type { World } from "../../../shared/ports/world.ts";
import { listNames, readDetail, readText, type Collector } from "./collector.ts";

const INTERFACES_MAX = 128;
const IP_TIMEOUT_MS = 5_000;
/** Made and unmade with each container: they would bump the facts on every start of a guest. */
const EPHEMERAL = /^(?:veth|fwbr|fwpr|fwln|tap|cali|lxc[0-9a-f])/;

export const network: Collector = {
  name: "network",
  async collect(world) {
    const routes4 = parseRoutes4(readText(world, "/proc/net/route") ?? "");
    const routes6 = parseDefaultRoutes6(readText(world, "/proc/net/ipv6_route") ?? "");
    const addresses = [...(await addresses4(world, routes4)), ...parseAddresses6(readText(world, "/proc/net/if_inet6") ?? "")];
    const names = listNames(world, "/sys/class/net").filter((name) => !EPHEMERAL.test(name));
    const listed = names.slice(0, INTERFACES_MAX);
    return {
      hostname: readDetail(world, "/proc/sys/kernel/hostname"),
      interfaces: listed.map((name) => ({
        name,
        mac: readDetail(world, `/sys/class/net/${name}/address`),
        mtu: Number(readDetail(world, `/sys/class/net/${name}/mtu`)),
        addresses: addresses
          .filter((entry) => entry.interface === name)
          .map((entry) => entry.address)
          .sort(),
      })),
      routes: routes4.filter((route) => !EPHEMERAL.test(route.interface)).map(routeFact),
      default: defaultOf(routes4),
      default6: defaultOf(routes6),
    };
  },
};

function defaultOf(routes: readonly Route[]): { interface: string; gateway: string } | null {
  const [best] = routes.filter((route) => route.prefix === 0).sort((a, b) => a.metric - b.metric);
  return best === undefined ? null : { interface: best.interface, gateway: best.gateway };
}

function routeFact(route: Route): { to: string; via: string; interface: string; metric: number } {
  return { to: `${route.destination}/${route.prefix}`, via: route.gateway, interface: route.interface, metric: route.metric };
}

/** From the kernel's tables; where these are ambiguous (two interfaces in one subnet, a /32 alone) `ip` is asked. */
async function addresses4(world: World, routes: readonly Route[]): Promise<readonly InterfaceAddress[]> {
  const locals = parseLocalAddresses4(readText(world, "/proc/net/fib_trie") ?? "");
  const joined = addressesByRoute(locals, routes);
  if (joined !== undefined) return joined;
  const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" };
  const done = await world.exec.run("facts.ip", { argv: ["ip", "-o", "-4", "address", "show"], env, timeoutMs: IP_TIMEOUT_MS, outputBytesMax: 256 * 1024 });
  if (done.code !== 0) throw new Error(`ip ended with ${done.code ?? done.signal}`);
  return new TextDecoder()
    .decode(done.stdout)
    .split("\n")
    .map((line) => /^\d+: (\S+)\s+inet (\S+)/.exec(line))
    .flatMap((match) => (match?.[1] === undefined || match[2] === undefined ? [] : [{ interface: match[1], address: match[2] }]));
}
