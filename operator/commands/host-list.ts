import type { Run } from "../../shared/cli/command.ts";
import { hint, present } from "../../shared/cli/present.ts";
import { hostListData, hostListText, needsAttention } from "../core/fleet/host-summary.ts";
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
      next: pending.length === 0 ? undefined : "felhom host approve NAME, after comparing the words with what the box shows",
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
  if (hosts.length === 0 && pending.length === 0) hint(call, "No host matches. A box joins with: felhom enroll --master-urls URL --join CODE (the code comes from felhom join-code)");
  present(call, {
    kind: "HostList",
    data: hostListData(hosts, nowMs, pending.length),
    human: () => (hosts.length === 0 && pending.length === 0 ? "" : hostListText(hosts, { nowMs, wide: call.globals.output === "wide", pending: pending.length, terminal: call.terminal })),
    next: hosts.find(needsAttention) === undefined ? undefined : `felhom host show ${hosts.filter(needsAttention)[0]?.name ?? ""}`,
  });
  return 0;
};
