import type { Call, Run } from "../../shared/cli/command.ts";
import { ago } from "../../shared/cli/age.ts";
import { paint } from "../../shared/cli/colour.ts";
import { confirm } from "../../shared/cli/confirm.ts";
import { hint, isHuman, present } from "../../shared/cli/present.ts";
import { mark } from "../../shared/cli/glyph.ts";
import { fields } from "../../shared/cli/table.ts";
import { escapeUntrusted } from "../../shared/cli/escape.ts";
import { Fault } from "../../shared/core/fault.ts";
import type { FleetId } from "../../shared/core/ids.ts";
import { hostIdOf } from "../../shared/trust/keys.ts";
import type { HostItem } from "../../shared/protocol/api/hosts.ts";
import { argText, optionList, optionText } from "../core/cli/option-values.ts";
import { firstCertificate, signCertificate } from "../core/fleet/certificate.ts";
import { readLabels } from "../core/fleet/choose-hosts.ts";
import { labelsText } from "../core/fleet/host-summary.ts";
import { claimsText, readPending, type Pending } from "../core/fleet/pending-list.ts";
import { sameWords, type Enrollment } from "../core/fleet/read-enrollment.ts";
import { choosePending } from "../core/fleet/choose-pending.ts";
import { approveEnrollment, listEnrollments, listHosts, take } from "../edge/hub-api.ts";
import { readKnownHosts } from "../edge/known-hosts.ts";
import { openSession } from "../edge/session.ts";
import { signersFor } from "../edge/signers.ts";

/**
 * Lets a box in. The five words are computed here from the keys that the certificate will bind; a person compares them with what
 * the box itself shows. That comparison is the whole security of enrollment, so `--yes` alone never stands in for it.
 */
export const run: Run = async (call) => {
  const session = await openSession(call);
  const { hub, root, nowMs } = session;
  const asked = argText(call, "name");
  const pending = choosePending(readPending(await take(listEnrollments(hub))), asked, optionText(call, "words"));
  const { enrollment } = pending;
  const name = optionText(call, "name") ?? enrollment.statement.name;
  const labels = readLabels(optionList(call, "label"));
  const hosts = await take(listHosts(hub));
  checkNew(hosts, pending.item.host_id);
  checkNotRevokedHere(call, session.context.fleetId, enrollment.signingKey);
  checkNameFree(hosts, name, pending.item.host_id);
  if (isHuman(call.globals)) hint(call, introduction(call, pending, { name, labels, nowMs }));
  if (!call.globals.dryRun) await compare(call, enrollment);
  const payload = firstCertificate(enrollment, { root, name, labels, serial: 1, nowMs });
  const data = {
    id: payload.host_id,
    name,
    labels,
    words: enrollment.words.join("-"),
    requestId: pending.item.request_id,
    serial: payload.serial,
    dryRun: call.globals.dryRun,
  };
  if (call.globals.dryRun) {
    present(call, { kind: "Approval", data, human: () => "  Nothing was signed: this was a dry run." });
    return 0;
  }
  const keys = await signersFor(call, session, "admit");
  await approveEnrollment(hub, pending.item.request_id, signCertificate(payload, keys));
  present(call, {
    kind: "Approval",
    data,
    human: () =>
      `  ${mark(call.terminal, "good", `${name} approved`)}  ${payload.host_id}${Object.keys(labels).length === 0 ? "" : `  ${escapeUntrusted(labelsText(labels))}`}`,
    next: `felhom host show ${name}   (it syncs within a minute)`,
  });
  return 0;
};

/** One host id is approved once: a revoked box comes back with new keys only, as `host revoke` said it would. */
function checkNew(hosts: readonly HostItem[], hostId: string): void {
  const known = hosts.find((host) => host.host_id === hostId);
  if (known === undefined) return;
  if (known.health !== "revoked")
    throw new Fault("conflict", `Cannot approve ${known.name}: this host is already in the fleet`, { remedy: `felhom host show ${known.host_id}` });
  throw new Fault("conflict", `Cannot approve ${known.name}: these keys were revoked`, {
    remedy: "Remove the identity directory on the box and enroll it again: it then makes new keys.",
  });
}

/** A hub that forgot the revocation, or never heard of it, must not bring those keys back. */
function checkNotRevokedHere(call: Call, fleetId: FleetId, signingKey: Uint8Array): void {
  const id = hostIdOf(signingKey);
  if (readKnownHosts(call.world, call.globals.home, fleetId).get(id)?.revoked !== true) return;
  throw new Fault("conflict", `Cannot approve ${id}: these keys were revoked on this workstation`, {
    remedy: "Remove the identity directory on the box and enroll it again: it then makes new keys.",
  });
}

/** Settings and states go by name: two hosts of one name would share them. */
function checkNameFree(hosts: readonly HostItem[], name: string, hostId: string): void {
  const other = hosts.find((host) => host.name === name && host.host_id !== hostId && host.health !== "revoked");
  if (other !== undefined)
    throw new Fault("conflict", `Cannot approve a second host by the name ${name}: ${other.host_id} has it`, {
      remedy: "Choose another with --name, or revoke the old one first if this box replaces it.",
    });
}

async function compare(call: Call, enrollment: Enrollment): Promise<void> {
  const given = optionText(call, "words");
  const shown = enrollment.words.join("-");
  if (given !== undefined) {
    if (sameWords(given, enrollment.words)) return;
    throw new Fault("refused", "Cannot approve: the words do not match. This is not the box that you are looking at", {
      remedy: "Read the words on the box again. If they still differ, somebody is between you and it: felhom host reject.",
    });
  }
  if (call.globals.yes)
    throw new Fault("bad_request", "Cannot approve unseen: --yes does not compare the words", {
      remedy: `Read the five words on the box and give them: --words ${"word-word-word-word-word"}`,
    });
  await confirm(call, `Does the box itself show ${paint(call.terminal, "strong", shown)} ?`);
}

function introduction(
  call: Call,
  pending: Pending & { readonly enrollment: Enrollment },
  chosen: { readonly name: string; readonly labels: Readonly<Record<string, string>>; readonly nowMs: number },
): string {
  const { item, enrollment } = pending;
  return fields(
    [
      ["name", enrollment.statement.name === chosen.name ? chosen.name : `${chosen.name} (it calls itself ${enrollment.statement.name})`],
      ["id", item.host_id],
      ["words", { text: enrollment.words.join("-"), style: "strong" }],
      ["labels", labelsText(chosen.labels)],
      ["claims", claimsText(enrollment)],
      ["from", `${item.address}, ${ago(item.created_at, chosen.nowMs)}, as the hub says`],
    ],
    call.terminal,
  );
}
