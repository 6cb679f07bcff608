/**
 * Which host certificates have to be signed again because a key leaves the role admit, or has left it. A certificate that counts no
 * more under the root in force is judged under the newest earlier root that still takes it: that root was pinned and chained
 * here, so the hub can't choose which keys to believe. Whether the old signature still deserves belief is the operator's question.
 */
import type { HostDetail } from "../../../shared/protocol/api/hosts.ts";
import type { KeyId } from "../../../shared/core/ids.ts";
import type { HostIdentity } from "../../../shared/trust/host-identity.ts";
import { ROLES } from "../../../shared/trust/payloads.ts";
import { type TrustedRoot, verifyFirstRoot, verifyNextRoot } from "../../../shared/trust/root.ts";
import { mustVerify } from "../../../shared/trust/must-verify.ts";
import type { Envelope } from "../../../shared/trust/envelope.ts";
import { verifyHostDetail } from "../fleet/verified-host.ts";
import { nextRoot } from "./root-edit.ts";

export type Standing =
  | { readonly is: "counts" }
  | { readonly is: "again"; readonly identity: HostIdentity /** The root version that last took it. */; readonly under: number }
  | { readonly is: "unverified"; readonly because: string };

/** Every root of the chain, newest first. */
export function allRoots(chain: readonly Envelope[], pin: string): readonly TrustedRoot[] {
  const roots: TrustedRoot[] = [];
  for (const envelope of chain) {
    const last = roots.at(-1);
    roots.push(mustVerify(last === undefined ? verifyFirstRoot(envelope, pin) : verifyNextRoot(last, envelope), "Cannot use the root chain"));
  }
  return roots.toReversed();
}

/** The root in force as it will be once this key has gone: never signed, only judged by. */
export function rootWithout(root: TrustedRoot, keyId: KeyId): TrustedRoot {
  return { ...root, payload: nextRoot(root.payload, { do: "remove-key", keyId, roles: ROLES }, root.payload.created_at) };
}

/** `wanted` is the root by which certificates shall count; `roots` are those that may vouch, newest first. */
export function standingOf(detail: HostDetail, wanted: TrustedRoot, roots: readonly TrustedRoot[]): Standing {
  const now = verifyHostDetail(detail, wanted).identity;
  if (now.ok) return { is: "counts" };
  for (const root of roots) {
    const before = verifyHostDetail(detail, root).identity;
    if (before.ok) return { is: "again", identity: before.value, under: root.payload.version };
  }
  return { is: "unverified", because: `${now.refusal}${now.detail === "" ? "" : `, ${now.detail}`}` };
}
