/** What hosts say of themselves, signed with their own key: the operator's tools show anything else as unverified. */
import { type FactsReport, factsReport, type Report, report } from "../protocol/report.ts";
import type { Envelope } from "./envelope.ts";
import type { HostIdentity } from "./host-identity.ts";
import type { SigningKey } from "./keys.ts";
import { signPayload } from "./sign-payload.ts";
import { accept, refuse, type Verdict } from "./verdict.ts";
import { verifyByKey } from "./verify.ts";

const SCHEMAS = { report, facts: factsReport } as const;
export interface HostSigned {
  readonly report: Report;
  readonly facts: FactsReport;
}

export function verifyHostSigned<K extends keyof HostSigned>(type: K, envelope: Envelope, identity: HostIdentity): Verdict<HostSigned[K]>;
export function verifyHostSigned(type: keyof HostSigned, envelope: Envelope, identity: HostIdentity): Verdict<Report | FactsReport> {
  const verified = verifyByKey<Report | FactsReport>({ envelope, type, publicKey: identity.signingKey, keyId: identity.keyId, schema: SCHEMAS[type] });
  if (!verified.ok) return verified;
  const { fleet_id, host_id } = verified.value.value;
  if (fleet_id !== identity.fleetId) return refuse("fleet_mismatch", `signed for ${fleet_id}, this is ${identity.fleetId}`);
  if (host_id !== identity.hostId) return refuse("host_mismatch", `it speaks for ${host_id}, signed by ${identity.hostId}`);
  return accept(verified.value.value);
}

export function signReport(value: Report, key: SigningKey): Envelope {
  return signPayload("report", report, value, [key]);
}

export function signFacts(value: FactsReport, key: SigningKey): Envelope {
  return signPayload("facts", factsReport, value, [key]);
}
