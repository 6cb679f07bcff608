import type { HostItem } from "../../shared/protocol/api/hosts.ts";
import type { HostIdentity } from "../../shared/trust/host-identity.ts";
import { unverifiedText, verifyHostDetail } from "../core/fleet/verified-host.ts";
import { getHost } from "./hub-api.ts";
import type { Session } from "./session.ts";

/** Identities of many hosts, each verified here. Those that don't verify are named, never used. */
export interface VerifiedHosts {
  readonly identities: readonly HostIdentity[];
  readonly unverified: readonly { readonly host: HostItem; readonly because: string }[];
}

const AT_ONCE = 8;

export async function verifiedHosts(session: Pick<Session, "hub" | "root">, hosts: readonly HostItem[], onEach: () => void): Promise<VerifiedHosts> {
  const identities: HostIdentity[] = [];
  const unverified: { host: HostItem; because: string }[] = [];
  const queue = [...hosts];
  const worker = async (): Promise<void> => {
    for (let host = queue.shift(); host !== undefined; host = queue.shift()) {
      const { identity } = verifyHostDetail(await getHost(session.hub, host.host_id), session.root);
      if (identity.ok) identities.push(identity.value);
      else unverified.push({ host, because: unverifiedText(identity) });
      onEach();
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, hosts.length) }, worker));
  return { identities: identities.toSorted((a, b) => (a.hostId < b.hostId ? -1 : 1)), unverified };
}
