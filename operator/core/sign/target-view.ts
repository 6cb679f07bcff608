import { hostList, judgeTarget } from "../../../shared/ops/op-target.ts";
import type { Expressions, NamesRead } from "../../../shared/states/expression.ts";
import type { HostIdentity } from "../../../shared/trust/host-identity.ts";
import type { OpTarget } from "../../../shared/trust/payloads.ts";

/**
 * Whom an op would reach, as far as this workstation can tell by itself: names and keys from certificates that verify here, facts and
 * reports that the hosts signed. A host that cannot be verified is never silently left out: it is counted as one that may be meant.
 */
export interface KnownHost {
  readonly identity: HostIdentity;
  /** Signed by the host; absent when there are none that verify. */
  readonly facts: { readonly at: number; readonly values: Readonly<Record<string, unknown>> } | undefined;
  readonly report: { readonly at: number; readonly summary: string } | undefined;
}

export interface TargetView {
  readonly meant: readonly KnownHost[];
  /** It asks for facts, and there are none that the host signed. */
  readonly unknown: readonly KnownHost[];
  /** In the fleet as the hub shows it, not verified here. */
  readonly unverified: readonly { readonly name: string; readonly because: string }[];
  readonly reads: NamesRead;
  /** All verified hosts that were looked at. */
  readonly looked: number;
}

export interface Looked {
  readonly hosts: readonly KnownHost[];
  readonly unverified: TargetView["unverified"];
}

export function viewTarget(target: OpTarget, { hosts, unverified }: Looked, expressions: Expressions, reads: NamesRead): TargetView {
  const meant: KnownHost[] = [];
  const unknown: KnownHost[] = [];
  for (const host of hosts) {
    const { hostId, name, labels } = host.identity;
    const aim = judgeTarget(target, { labels, facts: host.facts?.values ?? {}, host: { id: hostId, name } }, expressions);
    if (aim.is === "meant") meant.push(host);
    else if (reads.facts.length > 0 && host.facts === undefined) unknown.push(host);
  }
  return { meant, unknown, unverified, reads, looked: hosts.length };
}

/** Which hosts have to be looked at: these, or `undefined` for the whole fleet. */
export function namedHosts(target: OpTarget): readonly string[] | undefined {
  if ("host_id" in target) return [target.host_id];
  const list = hostList(target.expr);
  return list === undefined ? undefined : [...list];
}

/** What has to be typed before something that can't be undone is signed; `undefined` when nobody can say whom it would reach. */
export function nameToType(target: OpTarget, view: TargetView): string | undefined {
  if ("guest_id" in target) return view.meant.length === 1 ? target.guest_id : undefined;
  if (view.unknown.length > 0 || view.unverified.length > 0) return undefined;
  const [first, second] = view.meant;
  if (first === undefined) return undefined;
  return second === undefined ? first.identity.name : `${view.meant.length} hosts`;
}
