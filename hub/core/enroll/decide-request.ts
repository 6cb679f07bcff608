/**
 * What becomes of a proven request. A box may ask as often as it likes: the same key finds what it already has. An operator is needed
 * whenever keys are new to the fleet, unless a grant stands in for him; a key that was revoked never comes back.
 */
export interface Standing {
  /** The host under this signing key, if the fleet has one. */
  readonly host: { readonly state: "active" | "revoked"; readonly sameBoxKey: boolean } | undefined;
  /** Its approved request whose credential was never used, if any. */
  readonly undelivered: string | undefined;
  readonly pending: string | undefined;
  readonly pendingCount: number;
  readonly pendingMax: number;
  /** A grant and an admission came along and verify. */
  readonly admitted: boolean;
}

export type RequestDecision =
  | { readonly do: "refuse-revoked" }
  | { readonly do: "refuse-full" }
  /** Known, same keys: nothing to decide, it lost its credential. */
  | { readonly do: "give-credential" }
  | { readonly do: "point-to"; readonly requestId: string }
  | { readonly do: "admit" }
  | { readonly do: "renew"; readonly requestId: string }
  | { readonly do: "file" };

export function decideRequest({ host, undelivered, pending, pendingCount, pendingMax, admitted }: Standing): RequestDecision {
  if (host?.state === "revoked") return { do: "refuse-revoked" };
  if (host?.sameBoxKey === true) return undelivered === undefined ? { do: "give-credential" } : { do: "point-to", requestId: undelivered };
  // A grant makes new hosts; it never changes the keys of one that is there.
  if (admitted && host === undefined) return { do: "admit" };
  if (pending !== undefined) return { do: "renew", requestId: pending };
  return pendingCount >= pendingMax ? { do: "refuse-full" } : { do: "file" };
}
