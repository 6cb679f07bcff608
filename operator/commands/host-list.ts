import type { Run } from "../../shared/cli/command.ts";
import { present } from "../../shared/cli/present.ts";
import type { HostItem } from "../../shared/protocol/api/hosts.ts";
import { hostListData, hostListText, needsAttention, sortHosts } from "../core/fleet/host-summary.ts";
import { matchesGlob, readLabels } from "../core/fleet/choose-hosts.ts";
import { pendingData, pendingText, readPending } from "../core/fleet/pending-list.ts";
import { optionList } from "../core/cli/option-values.ts";
import { listEnrollments, listHosts, take } from "../edge/hub-api.ts";
import { openSession } from "../edge/session.ts";

/** Names, health and ages are the hub's word; `host show` verifies one host's own. */
export const run: Run = async (call) => {
  const { hub, nowMs } = await openSession(call, { roots: "held" });
  const pending = readPending(await take(listEnrollments(hub)));
  if (call.options["pending"] === true) {
    present(call, {
      kind: "EnrollmentList",
      data: pendingData(pending),
      human: () => pendingText(pending, nowMs, call.terminal),
      next: pending.length === 0 ? undefined : "felhom host approve NAME, once the box itself shows these words",
    });
    return 0;
  }
  const glob = call.args["name"];
  const labels = Object.entries(readLabels(optionList(call, "label")));
  const { health } = call.options;
  const hosts = (await take(listHosts(hub))).filter(
    (host) =>
      (typeof glob !== "string" || matchesGlob(host.name, glob) || host.host_id === glob) &&
      labels.every(([key, value]) => host.labels[key] === value) &&
      (typeof health !== "string" || host.health === health) &&
      (call.options["attention"] !== true || needsAttention(host)) &&
      (call.options["all"] === true || health === "revoked" || host.health !== "revoked"),
  );
  present(call, {
    kind: "HostList",
    data: hostListData(hosts, nowMs, pending.length),
    human: () =>
      hosts.length === 0 && pending.length === 0
        ? "  No host yet."
        : hostListText(hosts, { nowMs, wide: call.globals.output === "wide", pending: pending.length, terminal: call.terminal }),
    next: nextStep(hosts, pending.length),
  });
  return 0;
};

function nextStep(hosts: readonly HostItem[], pending: number): string | undefined {
  if (pending > 0) return "felhom host list --pending";
  const [first] = sortHosts(hosts).filter(needsAttention);
  if (first !== undefined) return `felhom host show ${first.name}`;
  return hosts.length === 0 ? "felhom join-code, then felhom enroll on the box" : undefined;
}
