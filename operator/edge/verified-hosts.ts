import type { HostItem } from "../../shared/protocol/api/hosts.ts";
import { checkKnown, type HostIdentity } from "../../shared/trust/host-identity.ts";
import { inParallel } from "../core/in-parallel.ts";
import { unverifiedText, verifyHostDetail } from "../core/fleet/verified-host.ts";
import { getHost } from "./hub-api.ts";
import type { KnownHosts } from "./known-hosts.ts";
import type { Session } from "./session.ts";

/** Identities of many hosts, each verified here. Those that don't verify are named, never used. */
export interface VerifiedHosts {
  readonly identities: readonly HostIdentity[];
  readonly unverified: readonly { readonly host: HostItem; readonly because: string }[];
}

const AT_ONCE = 8;

/** `known` is this workstation's memory: a certificate older than one seen here, or of a host revoked here, is not used. */
export async function verifiedHosts(
  session: Pick<Session, "hub" | "root">,
  hosts: readonly HostItem[],
  known: KnownHosts,
  onEach: () => void,
): Promise<VerifiedHosts> {
  const identities: HostIdentity[] = [];
  const unverified: { host: HostItem; because: string }[] = [];
  await inParallel(hosts, AT_ONCE, async (host) => {
    const verified = verifyHostDetail(await getHost(session.hub, host.host_id), session.root).identity;
    const identity = verified.ok ? checkKnown(known.get(verified.value.hostId), verified.value) : verified;
    if (identity.ok) identities.push(identity.value);
    else unverified.push({ host, because: unverifiedText(identity) });
    onEach();
  });
  return {
    identities: identities.toSorted((a, b) => (a.hostId < b.hostId ? -1 : 1)),
    unverified: unverified.toSorted((a, b) => (a.host.host_id < b.host.host_id ? -1 : 1)),
  };
}
