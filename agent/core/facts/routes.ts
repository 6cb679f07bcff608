/** The kernel's own tables under /proc/net, read without a helper process: they cost microseconds where `ip` costs milliseconds. */

export interface Route {
  readonly interface: string;
  readonly destination: string;
  readonly prefix: number;
  readonly gateway: string;
  readonly metric: number;
}

export interface InterfaceAddress {
  readonly interface: string;
  readonly address: string;
}

const RTF_UP = 0x1;
const RTF_GATEWAY = 0x2;
const ROUTES_MAX = 128;

/** /proc/net/route: little-endian hex addresses. Routes that are down are left out; an on-link route has an empty gateway. */
export function parseRoutes4(text: string): readonly Route[] {
  const routes: Route[] = [];
  for (const line of text.split("\n").slice(1)) {
    const [name, destination, gateway, flags, , , metric, mask] = line.trim().split(/\s+/);
    if (name === undefined || destination === undefined || gateway === undefined || flags === undefined || mask === undefined) continue;
    const bits = Number.parseInt(flags, 16);
    if ((bits & RTF_UP) === 0 || routes.length >= ROUTES_MAX) continue;
    routes.push({
      interface: name,
      destination: ipv4(destination),
      prefix: bitCount(Number.parseInt(mask, 16)),
      gateway: (bits & RTF_GATEWAY) === 0 ? "" : ipv4(gateway),
      metric: Number(metric ?? 0),
    });
  }
  return routes;
}

/** /proc/net/ipv6_route: default routes only, the rest is noise on most boxes. */
export function parseDefaultRoutes6(text: string): readonly Route[] {
  const routes: Route[] = [];
  for (const line of text.split("\n")) {
    const [destination, prefix, , , gateway, metric, , , flags, name] = line.trim().split(/\s+/);
    if (destination === undefined || gateway === undefined || metric === undefined || flags === undefined || name === undefined || name === "lo") continue;
    const bits = Number.parseInt(flags, 16);
    if (!/^0{32}$/.test(destination) || Number.parseInt(prefix ?? "", 16) !== 0 || (bits & (RTF_UP | RTF_GATEWAY)) !== (RTF_UP | RTF_GATEWAY)) continue;
    routes.push({ interface: name, destination: "::", prefix: 0, gateway: ipv6(gateway), metric: Number.parseInt(metric, 16) });
  }
  return routes;
}

/** /proc/net/if_inet6, with the prefix length. */
export function parseAddresses6(text: string): readonly InterfaceAddress[] {
  return text
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .flatMap(([address, , prefix, , , name]) =>
      address === undefined || prefix === undefined || name === undefined
        ? []
        : [{ interface: name, address: `${ipv6(address)}/${Number.parseInt(prefix, 16)}` }],
    );
}

/** The addresses that /proc/net/fib_trie calls `/32 host LOCAL`, each once. */
export function parseLocalAddresses4(text: string): readonly string[] {
  const found = new Set<string>();
  let last = "";
  for (const line of text.split("\n")) {
    const leaf = /\|-- (\d+\.\d+\.\d+\.\d+)/.exec(line);
    if (leaf?.[1] !== undefined) last = leaf[1];
    else if (line.includes("/32 host LOCAL") && last !== "") found.add(last);
  }
  return [...found];
}

/**
 * Joins local addresses with the on-link route that contains each. `undefined` when one has no interface or several could
 * be meant: the caller then asks `ip`.
 */
export function addressesByRoute(locals: readonly string[], routes: readonly Route[]): readonly InterfaceAddress[] | undefined {
  const found: InterfaceAddress[] = [];
  for (const address of locals) {
    if (address.startsWith("127.")) {
      found.push({ interface: "lo", address: `${address}/8` });
      continue;
    }
    const onLink = routes.filter((route) => route.gateway === "" && route.prefix > 0 && contains(route, address));
    const narrowest = Math.max(...onLink.map((route) => route.prefix));
    const owners = new Set(onLink.filter((route) => route.prefix === narrowest).map((route) => route.interface));
    const [owner] = owners;
    if (owner === undefined || owners.size > 1) return undefined;
    found.push({ interface: owner, address: `${address}/${narrowest}` });
  }
  return found;
}

function contains(route: Route, address: string): boolean {
  const shift = 2 ** (32 - route.prefix);
  return Math.floor(numeric(route.destination) / shift) === Math.floor(numeric(address) / shift);
}

function numeric(address: string): number {
  return address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
}

function ipv4(littleEndianHex: string): string {
  return [6, 4, 2, 0].map((at) => Number.parseInt(littleEndianHex.slice(at, at + 2), 16)).join(".");
}

/** 32 hex digits to RFC 5952 text: the longest run of two or more zero groups becomes `::`. */
export function ipv6(digits: string): string {
  const groups = Array.from({ length: 8 }, (_, at) => Number.parseInt(digits.slice(at * 4, at * 4 + 4), 16).toString(16));
  let best = { at: -1, length: 1 };
  for (let at = 0; at < 8; at++) {
    let length = 0;
    while (groups[at + length] === "0") length++;
    if (length > best.length) best = { at, length };
  }
  if (best.at < 0) return groups.join(":");
  return `${groups.slice(0, best.at).join(":")}::${groups.slice(best.at + best.length).join(":")}`;
}

function bitCount(word: number): number {
  return word
    .toString(2)
    .split("")
    .filter((bit) => bit === "1").length;
}
