import type { Call, Run } from "../../shared/cli/command.ts";
import { isHuman, present } from "../../shared/cli/present.ts";
import { progress } from "../../shared/cli/progress.ts";
import type { HostItem } from "../../shared/protocol/api/hosts.ts";
import { hostListData, hostListText, needsAttention, shownHealth, sortHosts } from "../core/fleet/host-summary.ts";
import { matchesGlob, readLabels } from "../core/fleet/choose-hosts.ts";
import { pendingData, pendingText, readPending } from "../core/fleet/pending-list.ts";
import { lieAbout, verifyHostDetail } from "../core/fleet/verified-host.ts";
import { inParallel } from "../core/in-parallel.ts";
import { optionList } from "../core/cli/option-values.ts";
import { getHost, listEnrollments, listHosts, take } from "../edge/hub-api.ts";
import { openSession, type Session } from "../edge/session.ts";

const VERIFIED_AT_ONCE = 8;

/** Names, health and ages are the hub's word, unless `--verify` holds each against what was signed. */
export const run: Run = async (call) => {
  const session = await openSession(call, { roots: call.options["verify"] === true ? "newest" : "held" });
  const { hub, nowMs } = session;
  const pending = readPending(await take(listEnrollments(hub)));
  if (call.options["pending"] === true) {
    const asked = { pending, hosts: pending.length === 0 ? [] : await take(listHosts(hub)) };
    present(call, {
      kind: "EnrollmentList",
      data: pendingData(asked),
      human: () => pendingText(asked, nowMs, call.terminal),
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
      (typeof health !== "string" || shownHealth(host) === health) &&
      (call.options["attention"] !== true || needsAttention(host)) &&
      (call.options["all"] === true || health === "revoked" || host.health !== "revoked"),
  );
  const lies = call.options["verify"] === true ? await findLies(call, session, hosts) : undefined;
  const shown = { nowMs, wide: call.globals.output === "wide", pending: pending.length, terminal: call.terminal, ...(lies === undefined ? {} : { lies }) };
  present(call, {
    kind: "HostList",
    data: hostListData(hosts, shown),
    human: () => (hosts.length === 0 && pending.length === 0 ? "  No host yet." : hostListText(hosts, shown)),
    next: nextStep(hosts, pending.length),
  });
  return lies !== undefined && lies.size > 0 ? 7 : 0;
};

/** Every host's certificate, report and facts, verified here and compared with what the list says. */
async function findLies(call: Call, session: Session, hosts: readonly HostItem[]): Promise<ReadonlyMap<string, string>> {
  const lies = new Map<string, string>();
  const members = hosts.filter(({ health }) => health !== "revoked");
  const shown = progress(call.terminal, { label: "verifying", total: members.length, quiet: call.globals.quiet || !isHuman(call.globals) });
  await inParallel(members, VERIFIED_AT_ONCE, async (host) => {
    const detail = await getHost(session.hub, host.host_id);
    const lie = lieAbout({ ...detail, name: host.name, labels: host.labels }, verifyHostDetail(detail, session.root));
    if (lie !== undefined) lies.set(host.host_id, lie);
    shown.add(1);
  });
  shown.done();
  return lies;
}

function nextStep(hosts: readonly HostItem[], pending: number): string | undefined {
  if (pending > 0) return "felhom host list --pending";
  const [first] = sortHosts(hosts).filter(needsAttention);
  if (first !== undefined) return `felhom host show ${first.name}`;
  return hosts.length === 0 ? "felhom join-code, then felhom enroll on the box" : undefined;
}
