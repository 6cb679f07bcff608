import type { Call, Run } from "../../shared/cli/command.ts";
import { escapeUntrusted } from "../../shared/cli/escape.ts";
import { paint } from "../../shared/cli/colour.ts";
import { hint, isHuman, present } from "../../shared/cli/present.ts";
import { progress } from "../../shared/cli/progress.ts";
import { Fault } from "../../shared/core/fault.ts";
import type { HostItem } from "../../shared/protocol/api/hosts.ts";
import { openExpressions } from "../../shared/states/expression.ts";
import { readFleetDocuments } from "../../shared/states/fleet-documents.ts";
import { argText, optionText } from "../core/cli/option-values.ts";
import { fleetPath } from "../core/cli/fleet-path.ts";
import { chooseHost, matchesGlob } from "../core/fleet/choose-hosts.ts";
import type { HostPlan } from "../core/plan/fleet-plan.ts";
import { planCounts } from "../core/plan/fleet-plan.ts";
import { planScreen } from "../core/plan/plan-screen.ts";
import { fleetFault } from "../edge/fleet-tree.ts";
import { listHosts, take } from "../edge/hub-api.ts";
import { FleetPlanner } from "../edge/fleet-planner.ts";
import { directoryTree } from "../edge/plan-trees.ts";
import { openSession, type Session } from "../edge/session.ts";

/**
 * What publishing a directory would change where: the directory and the bundle in force are both rendered for each host, with
 * labels from its verified certificate and facts that it signed, and compared. Nothing is signed, sent or decided; secrets
 * are known by name only. Exit 4 when a host could not be planned for, 3 with `--exit-code` when something would change.
 */
export const run: Run = async (call) => {
  const { dir, target } = places(call);
  const tree = directoryTree(call.world.files, dir);
  if (!tree.ok) throw fleetFault(tree.faults, dir);
  const documents = await readFleetDocuments(tree.value.sources);
  if (!documents.ok) throw fleetFault(documents.faults, dir);
  const session = await openSession(call);
  const chosen = await candidates(session, target, optionText(call, "except"));
  const planner = new FleetPlanner(session, tree.value, chosen.expression);
  const shown = progress(call.terminal, { label: "planning", total: chosen.hosts.length, quiet: call.globals.quiet || !isHuman(call.globals) });
  const plans = await planner.planAll(chosen.hosts, () => shown.add(1));
  shown.done(`${plans.length} of ${chosen.hosts.length} hosts`);
  if (plans.length === 0 && target !== "")
    throw new Fault("not_found", `Cannot plan: no host matches ${target}`, { remedy: "felhom host list shows every host." });
  const counts = planCounts(plans);
  if (isHuman(call.globals)) hint(call, `${paint(call.terminal, "strong", "Plan")}  ${escapeUntrusted(dir)} against ${bundlesText(plans)}`);
  present(call, {
    kind: "Plan",
    data: { dir, items: plans.map((plan) => ({ ...plan })), summary: counts },
    human: () => planScreen(plans, call.terminal),
    next: counts.unplanned === 0 && counts.changing > 0 ? "felhom publish" : undefined,
  });
  if (counts.unplanned > 0) return 4;
  return counts.changing > 0 && call.options["exit-code"] === true ? 3 : 0;
};

/** `plan X`: X is a directory when it has a fleet.yaml, else a target. */
function places(call: Call): { readonly dir: string; readonly target: string } {
  const target = argText(call, "target");
  const first = argText(call, "dir");
  const here = fleetPath({ args: {}, cwd: call.cwd });
  const isFleet = (dir: string) => call.world.files.stat("plan.stat", `${dir}/fleet.yaml`) !== undefined;
  if (first !== "" && target === "" && !isFleet(fleetPath(call)) && isFleet(here)) return { dir: here, target: first };
  return { dir: fleetPath(call), target };
}

interface Candidates {
  readonly hosts: readonly HostItem[];
  /** To be asked of each host's verified labels and facts. */
  readonly expression: string | undefined;
}

async function candidates(session: Session, target: string, except: string | undefined): Promise<Candidates> {
  const all = (await take(listHosts(session.hub))).filter(({ health, name }) => health !== "revoked" && (except === undefined || !matchesGlob(name, except)));
  if (target === "") return { hosts: all, expression: undefined };
  if (/\b(?:label|fact|host)\b[.[]|^(?:true|false)$/.test(target)) {
    const judged = (await openExpressions()).check(target, "host");
    if (!judged.ok)
      throw new Fault("bad_request", `Cannot choose hosts by ${target}: ${judged.message}`, judged.remedy === undefined ? {} : { remedy: judged.remedy });
    return { hosts: all, expression: target };
  }
  return { hosts: /[*?]/.test(target) ? all.filter(({ name }) => matchesGlob(name, target)) : [chooseHost(all, target)], expression: undefined };
}

function bundlesText(plans: readonly HostPlan[]): string {
  const versions = [...new Set(plans.map(({ bundle }) => bundle))].sort((a, b) => a - b);
  if (versions.length === 0 || (versions.length === 1 && versions[0] === 0)) return "nothing: no bundle is in force";
  return `bundle ${versions.filter((version) => version > 0).join(", ")}`;
}
