import { Fault } from "../../../shared/core/fault.ts";
import { NAME } from "../../../shared/core/ids.ts";
import type { Envelope } from "../../../shared/protocol/fields.ts";
import type { HostIdentity } from "../../../shared/trust/host-identity.ts";
import { hostIdOf, spellKey, type SigningKey } from "../../../shared/trust/keys.ts";
import { hostCertPayload, type HostCertPayload } from "../../../shared/trust/payloads.ts";
import type { TrustedRoot } from "../../../shared/trust/root.ts";
import { signPayload } from "../../../shared/trust/sign-payload.ts";
import type { Enrollment } from "./read-enrollment.ts";

/** Certificates that an operator is about to sign: made from what the box signed, or from a certificate that verified. */
export const LABELS_MAX = 64;
const LABEL_CHARS_MAX = 256;

export function firstCertificate(
  enrollment: Enrollment,
  chosen: {
    readonly root: TrustedRoot;
    readonly name: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly serial: number;
    readonly nowMs: number;
  },
): HostCertPayload {
  checkName(chosen.name);
  checkLabels(chosen.labels);
  return {
    v: 1,
    fleet_id: chosen.root.payload.fleet_id,
    host_id: hostIdOf(enrollment.signingKey),
    serial: chosen.serial,
    name: chosen.name,
    labels: chosen.labels,
    signing_key: enrollment.statement.signing_key,
    box_key: enrollment.statement.box_key,
    created_at: chosen.nowMs,
  };
}

/** The same keys, the next serial. */
export function nextCertificate(
  identity: HostIdentity,
  changed: { readonly name: string; readonly labels: Readonly<Record<string, string>>; readonly nowMs: number },
): HostCertPayload {
  checkName(changed.name);
  checkLabels(changed.labels);
  return {
    v: 1,
    fleet_id: identity.fleetId,
    host_id: identity.hostId,
    serial: identity.serial + 1,
    name: changed.name,
    labels: changed.labels,
    signing_key: spellKey(identity.signingKey),
    box_key: spellKey(identity.boxKey),
    created_at: changed.nowMs,
  };
}

export function signCertificate(payload: HostCertPayload, keys: readonly SigningKey[]): Envelope {
  return signPayload("host-cert", hostCertPayload, payload, keys);
}

/** `KEY=VALUE` sets, `KEY-` removes; what nobody names stays. */
export function editLabels(before: Readonly<Record<string, string>>, edits: readonly string[]): Readonly<Record<string, string>> {
  const labels = new Map(Object.entries(before));
  for (const edit of edits) {
    const at = edit.indexOf("=");
    if (at > 0) labels.set(edit.slice(0, at), edit.slice(at + 1));
    else if (at < 0 && edit.endsWith("-") && edit.length > 1) {
      if (!labels.delete(edit.slice(0, -1))) throw new Fault("not_found", `Cannot remove the label ${edit.slice(0, -1)}: it is not set`);
    } else throw new Fault("bad_request", `Cannot use the label ${edit}`, { remedy: "KEY=VALUE sets a label, KEY- removes it." });
  }
  return Object.fromEntries([...labels].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

export function labelDiff(before: Readonly<Record<string, string>>, after: Readonly<Record<string, string>>): readonly string[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].toSorted();
  return names.flatMap((name) => {
    const [old, next] = [before[name], after[name]];
    if (old === next) return [];
    return [...(old === undefined ? [] : [`- ${name}=${old}`]), ...(next === undefined ? [] : [`+ ${name}=${next}`])];
  });
}

function checkName(name: string): void {
  if (!NAME.test(name))
    throw new Fault("bad_request", `Cannot use the name ${name}`, {
      remedy: "A name has lower-case letters, digits, dots, dashes or underscores, at most 63, and begins and ends with a letter or digit.",
    });
}

export function checkLabels(labels: Readonly<Record<string, string>>): void {
  const entries = Object.entries(labels);
  if (entries.length > LABELS_MAX) throw new Fault("bad_request", `Cannot set ${entries.length} labels: at most ${LABELS_MAX} are allowed`);
  for (const [key, value] of entries) {
    if (!NAME.test(key))
      throw new Fault("bad_request", `Cannot use the label key ${key}`, { remedy: "A key has lower-case letters, digits, dots, dashes or underscores." });
    if (value.length > LABEL_CHARS_MAX) throw new Fault("bad_request", `Cannot use the label ${key}: its value is above ${LABEL_CHARS_MAX} characters`);
  }
}
