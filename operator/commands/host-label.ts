import type { Run } from "../../shared/cli/command.ts";
import { confirm } from "../../shared/cli/confirm.ts";
import { paint } from "../../shared/cli/colour.ts";
import { escapeUntrusted } from "../../shared/cli/escape.ts";
import { mark } from "../../shared/cli/glyph.ts";
import { hint, present } from "../../shared/cli/present.ts";
import { Fault } from "../../shared/core/fault.ts";
import { checkKnown } from "../../shared/trust/host-identity.ts";
import { mustVerify } from "../../shared/trust/must-verify.ts";
import { argList, argText, optionText } from "../core/cli/option-values.ts";
import { editLabels, labelDiff, nextCertificate, signCertificate } from "../core/fleet/certificate.ts";
import { chooseHost } from "../core/fleet/choose-hosts.ts";
import { labelsText } from "../core/fleet/host-summary.ts";
import { verifyHostDetail } from "../core/fleet/verified-host.ts";
import { getHost, listHosts, take, uploadCertificate } from "../edge/hub-api.ts";
import { readKnownHosts, rememberHosts } from "../edge/known-hosts.ts";
import { openSession } from "../edge/session.ts";
import { signersFor } from "../edge/signers.ts";

/**
 * Labels and the name are the operator's signed word about a host: changing them is a new certificate with the next serial, made
 * from the one that verified here. A hub that offers another key or an unverified certificate gets nothing signed.
 */
export const run: Run = async (call) => {
  const session = await openSession(call);
  const { hub, root, nowMs } = session;
  const hosts = await take(listHosts(hub));
  const detail = await getHost(hub, chooseHost(hosts, argText(call, "host")).host_id);
  const remedy = "felhom host show tells what does not verify.";
  const verified = mustVerify(verifyHostDetail(detail, root).identity, `Cannot relabel ${detail.name}`, remedy);
  const identity = mustVerify(
    checkKnown(readKnownHosts(call.world, call.globals.home, session.context.fleetId).get(verified.hostId), verified),
    `Cannot relabel ${detail.name}`,
    remedy,
  );
  const labels = editLabels(identity.labels, argList(call, "labels"));
  const name = optionText(call, "rename") ?? identity.name;
  const taken = hosts.find((host) => host.name === name && host.host_id !== identity.hostId && host.health !== "revoked");
  if (taken !== undefined) throw new Fault("conflict", `Cannot rename to ${name}: ${taken.host_id} has that name`);
  const diff = [...(name === identity.name ? [] : [`- name ${identity.name}`, `+ name ${name}`]), ...labelDiff(identity.labels, labels)];
  const data = { id: identity.hostId, name, labels, before: { name: identity.name, labels: identity.labels }, dryRun: call.globals.dryRun };
  if (diff.length === 0) {
    present(call, {
      kind: "HostLabels",
      data: { ...data, serial: identity.serial },
      human: () => `  ${escapeUntrusted(name)}  ${escapeUntrusted(labelsText(labels)) || "no labels"}`,
    });
    return 0;
  }
  hint(call, diff.map((line) => `  ${paint(call.terminal, line.startsWith("+") ? "good" : "bad", escapeUntrusted(line))}`).join("\n"));
  const payload = nextCertificate(identity, { name, labels, nowMs });
  if (!call.globals.dryRun) {
    await confirm(call, `Sign certificate ${payload.serial} of ${escapeUntrusted(identity.name)}?`);
    const keys = await signersFor(call, session, "admit");
    await uploadCertificate(hub, identity.hostId, signCertificate(payload, keys));
    rememberHosts(call.world, call.globals.home, session.context.fleetId, [{ hostId: identity.hostId, serial: payload.serial }]);
  }
  present(call, {
    kind: "HostLabels",
    data: { ...data, serial: payload.serial },
    human: () =>
      call.globals.dryRun
        ? "  Nothing was signed: this was a dry run."
        : `  ${mark(call.terminal, "good", `${escapeUntrusted(name)} has certificate ${payload.serial}`)}`,
    next: "felhom plan: labels choose states, settings and secrets",
  });
  return 0;
};
