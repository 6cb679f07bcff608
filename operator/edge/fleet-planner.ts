import { openExpressions, type Expressions } from "../../shared/states/expression.ts";
import { readFleetDocuments } from "../../shared/states/fleet-documents.ts";
import { render, type RenderVerdict } from "../../shared/states/render.ts";
import { placeholderSecrets, secretsFor } from "../../shared/states/secrets-for.ts";
import type { HostItem } from "../../shared/protocol/api/hosts.ts";
import type { HostIdentity } from "../../shared/trust/host-identity.ts";
import { unverifiedText, verifyHostDetail } from "../core/fleet/verified-host.ts";
import { compareResources } from "../core/plan/compare-resources.ts";
import type { HostPlan } from "../core/plan/fleet-plan.ts";
import { getHost, listBundles, take } from "./hub-api.ts";
import { bundleTree, EMPTY_TREE, type PlanTree } from "./plan-trees.ts";
import type { Session } from "./session.ts";

const AT_ONCE = 8;

/**
 * Plans hosts one by one: identity, facts and report are verified first, and what does not verify is said instead of planned.
 * Bundles are fetched once each, however many hosts have them. Lives for one command.
 */
export class FleetPlanner {
  readonly #session: Session;
  readonly #tree: PlanTree;
  readonly #expression: string | undefined;
  readonly #bundles = new Map<number, Promise<PlanTree>>();
  readonly #newest: { version?: Promise<number> } = {};

  constructor(session: Session, tree: PlanTree, expression: string | undefined) {
    this.#session = session;
    this.#tree = tree;
    this.#expression = expression;
  }

  async planAll(hosts: readonly HostItem[], onEach: () => void): Promise<readonly HostPlan[]> {
    const expressions = this.#expression === undefined ? undefined : await openExpressions();
    const plans: HostPlan[] = [];
    const queue = [...hosts];
    const worker = async (): Promise<void> => {
      for (let host = queue.shift(); host !== undefined; host = queue.shift()) {
        const plan = await this.#plan(host, expressions);
        if (plan !== undefined) plans.push(plan);
        onEach();
      }
    };
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, hosts.length) }, worker));
    return plans.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** `undefined`: the target expression does not mean this host. */
  async #plan(item: HostItem, expressions: Expressions | undefined): Promise<HostPlan | undefined> {
    const detail = await getHost(this.#session.hub, item.host_id);
    const verified = verifyHostDetail(detail, this.#session.root);
    const none = { name: item.name, hostId: item.host_id as string, bundle: 0, changes: [], notes: [] };
    const unplanned = (message: string): HostPlan => ({ ...none, faults: [{ file: item.name, line: 0, path: "", message }] });
    if (!verified.identity.ok) return unplanned(unverifiedText(verified.identity));
    const identity = verified.identity.value;
    if (verified.facts === undefined) return expressions === undefined ? unplanned("it has sent no facts yet, so nothing can be rendered for it") : undefined;
    if (!verified.facts.ok) return unplanned(`its facts are ${unverifiedText(verified.facts)}`);
    const facts = verified.facts.value.facts;
    const named = { ...none, name: identity.name };
    if (expressions !== undefined && this.#expression !== undefined) {
      const judged = expressions.evaluate(this.#expression, "host", { labels: identity.labels, facts, host: { id: identity.hostId, name: identity.name } });
      if (!judged.ok) return unplanned(`the target cannot be asked of it: ${judged.message}`);
      if (!judged.value) return undefined;
    }
    const bundle = verified.report?.ok === true && verified.report.value.bundle > 0 ? verified.report.value.bundle : await this.#newestBundle();
    const notes =
      verified.report?.ok === true
        ? []
        : [bundle === 0 ? "it has not reported yet" : `it has not reported which bundle is in force; compared with the newest, ${bundle}`];
    const after = await rendered(this.#tree, identity, facts);
    if (!after.ok) return { ...named, bundle, faults: after.faults };
    const old = await this.#bundle(bundle);
    const before = bundle === 0 ? { ok: true as const, resources: [] } : await rendered(old, identity, facts);
    if (!before.ok) notes.push(`bundle ${bundle} does not render for it any more, so all of it is shown as new`);
    const changes = await compareResources({ resources: before.ok ? before.resources : [], tree: old }, { resources: after.resources, tree: this.#tree });
    return { ...named, bundle, changes, faults: [], notes };
  }

  #bundle(version: number): Promise<PlanTree> {
    if (version === 0) return Promise.resolve(EMPTY_TREE);
    const known = this.#bundles.get(version) ?? bundleTree(this.#session, version);
    this.#bundles.set(version, known);
    return known;
  }

  #newestBundle(): Promise<number> {
    this.#newest.version ??= take(listBundles(this.#session.hub), 1).then(([newest]) => newest?.version ?? 0);
    return this.#newest.version;
  }
}

async function rendered(tree: PlanTree, identity: HostIdentity, facts: Readonly<Record<string, unknown>>): Promise<RenderVerdict> {
  const documents = await readFleetDocuments(tree.sources);
  if (!documents.ok) return documents;
  const host = { id: identity.hostId, name: identity.name };
  const names = await secretsFor(documents.value, [{ host, labels: identity.labels }]);
  if (!names.ok) return names;
  return render({ files: tree.sources, paths: tree.paths, host, labels: identity.labels, facts, secrets: placeholderSecrets(names.value[0] ?? []) });
}
