/**
 * Whose request is this? The socket's address, unless the socket belongs to a proxy that the settings name: then the right-most
 * entry of `x-forwarded-for` that is not such a proxy itself. What stands further left was written by whoever asked.
 */
const FORWARDED_CHARS_MAX = 1_024;
const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)$/;
const IPV6 = /^[0-9a-f:]{2,39}$/;

export function clientAddress(socketAddress: string, forwardedFor: string | null, trustedProxies: readonly string[]): string {
  const socket = plainAddress(socketAddress) ?? socketAddress;
  if (forwardedFor === null || forwardedFor.length > FORWARDED_CHARS_MAX || !isTrusted(socket, trustedProxies)) return socket;
  const hops = forwardedFor.split(",");
  for (let at = hops.length - 1; at >= 0; at -= 1) {
    const hop = plainAddress((hops[at] ?? "").trim());
    if (hop === undefined) return socket;
    if (!isTrusted(hop, trustedProxies)) return hop;
  }
  return socket;
}

export function isTrusted(address: string, trustedProxies: readonly string[]): boolean {
  return trustedProxies.some((proxy) => (plainAddress(proxy) ?? proxy) === address);
}

/** One spelling per address: IPv4 in IPv6 unwrapped, lower case; undefined when it is not an address. */
export function plainAddress(text: string): string | undefined {
  const lower = text.toLowerCase().replace(/^::ffff:(?=\d+\.)/, "");
  return IPV4.test(lower) || (IPV6.test(lower) && lower.includes(":")) ? lower : undefined;
}

/** What a rate counts: an IPv4 address, or the /64 that one IPv6 customer has for himself. */
export function addressGroup(address: string): string {
  if (!address.includes(":")) return address;
  const [head = "", tail] = address.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? [] : Array.from({ length: Math.max(0, 8 - left.length - right.length) }, () => "0");
  return [...left, ...zeros, ...right]
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ""))
    .join(":");
}

export function isLoopback(address: string): boolean {
  const plain = plainAddress(address) ?? address;
  return plain === "::1" || plain === "unix" || plain === "localhost" || (IPV4.test(plain) && plain.startsWith("127."));
}
