import type { HostDetail } from "../../../shared/protocol/api/hosts.ts";
import type { FactsReport, Report } from "../../../shared/protocol/report.ts";
import { verifyAdmission, verifyHostCert, type HostIdentity } from "../../../shared/trust/host-identity.ts";
import { verifyHostSigned } from "../../../shared/trust/report.ts";
import type { TrustedRoot } from "../../../shared/trust/root.ts";
import { accept, refuse, type Verdict } from "../../../shared/trust/verdict.ts";

/**
 * A host as this workstation believes it: the identity that an operator signed, and the report and facts that the host itself
 * signed, each verified here against the pinned root. Everything else in a `HostDetail` is the hub's word and is shown as such.
 */
export interface VerifiedHost {
  readonly identity: Verdict<HostIdentity>;
  /** Absent when the hub has none, or when there is no identity to verify it by. */
  readonly report: Verdict<Report> | undefined;
  readonly facts: Verdict<FactsReport> | undefined;
}

export function verifyHostDetail(detail: HostDetail, root: TrustedRoot): VerifiedHost {
  const identity = identityOf(detail, root);
  if (!identity.ok) {
    const unknown = detail.report === null && detail.facts === null ? undefined : refuse("key_unknown", "there is no verified identity to check it by");
    return { identity, report: detail.report === null ? undefined : unknown, facts: detail.facts === null ? undefined : unknown };
  }
  return {
    identity,
    report: detail.report === null ? undefined : verifyHostSigned("report", detail.report, identity.value),
    facts: detail.facts === null ? undefined : verifyHostSigned("facts", detail.facts, identity.value),
  };
}

function identityOf(detail: HostDetail, root: TrustedRoot): Verdict<HostIdentity> {
  const identity =
    detail.host_cert !== null
      ? verifyHostCert(detail.host_cert, root)
      : detail.grant !== null && detail.admission !== null
        ? verifyAdmission({ grant: detail.grant, admission: detail.admission, root })
        : refuse("key_unknown", "the hub has no certificate for this host");
  if (!identity.ok) return identity;
  return identity.value.hostId === detail.host_id ? accept(identity.value) : refuse("host_mismatch", `the certificate is of ${identity.value.hostId}`);
}

/** One line for a refusal: `unverified: signature_bad, by …`. */
export function unverifiedText(verdict: { readonly refusal: string; readonly detail: string }): string {
  return `unverified: ${verdict.refusal}${verdict.detail === "" ? "" : `, ${verdict.detail}`}`;
}

/** The first thing that the hub says of a host and that host or operator did not sign; `undefined` when all of it fits. */
export function lieAbout(detail: HostDetail, verified: VerifiedHost): string | undefined {
  const { identity, report, facts } = verified;
  if (!identity.ok) return unverifiedText(identity);
  if (report?.ok === false) return `report ${unverifiedText(report)}`;
  if (facts?.ok === false) return `facts ${unverifiedText(facts)}`;
  if (identity.value.name !== detail.name) return `the hub calls it ${detail.name}, its certificate ${identity.value.name}`;
  if (!sameMap(identity.value.labels, detail.labels)) return "the hub shows other labels than its certificate";
  if (report?.ok === true && (detail.counts === null || !sameMap(report.value.counts, detail.counts)))
    return "the hub shows other results than the host signed";
  if (report?.ok === true && report.value.bundle !== (detail.bundle_in_force ?? 0)) return "the hub shows another bundle in force than the host signed";
  return undefined;
}

function sameMap(a: Readonly<Record<string, unknown>>, b: Readonly<Record<string, unknown>>): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && a[key] === b[key]);
}
