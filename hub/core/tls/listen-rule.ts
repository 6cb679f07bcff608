import { isLoopback } from "../limits/client-address.ts";

/** Plain HTTP carries credentials in the clear: only to this machine itself, or to a proxy that somebody named. */
export function plainHttpRefusal(listenAddress: string, trustedProxies: readonly string[]): string | undefined {
  if (isLoopback(listenAddress) || trustedProxies.length > 0) return undefined;
  return `Cannot serve plain HTTP on ${listenAddress}: credentials would travel in the clear`;
}
