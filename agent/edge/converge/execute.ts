/**
 * Carries a plan out, one resource at a time in graph order. Once something was changed, each later resource is looked at and
 * judged again at its turn: a package brings files, a command may do anything. After its steps a resource is looked at once
 * more; it counts as changed only when it is as wanted then. Who watches a resource is noted (`journal`) before that resource is
 * touched, so that a kill between a changed configuration and the reload of its service loses nothing.
 */
import { flatten, isFault } from "../../../shared/core/fault.ts";
import type { ResourceOutcome } from "../../../shared/protocol/report.ts";
import type { Resource } from "../../../shared/states/resource.ts";
import type { Step, StepOf } from "../../../shared/states/resources/registry.ts";
import { decide, dependencies, judge, type Seen, type Settled, type Verdict } from "../../core/converge/judge.ts";
import { withFailure, withSuccess, withTriggers, type RetryState } from "../../core/converge/retry.ts";
import type { ProviderContext } from "../providers/provider.ts";
import { applyStep } from "./apply-step.ts";
import { observe } from "./observe.ts";
import type { Providers } from "./providers.ts";

export interface ExecuteInput {
  readonly context: ProviderContext;
  readonly providers: Providers;
  readonly resources: readonly Resource[];
  /** From the plan that is carried out. */
  readonly seen: ReadonlyMap<string, Seen>;
  readonly retry: RetryState;
  readonly isAsked: boolean;
  readonly stop: AbortSignal | undefined;
  /** Makes the state durable before an effect. */
  readonly journal: (retry: RetryState) => void;
}

export interface Executed {
  readonly outcomes: readonly ResourceOutcome[];
  readonly retry: RetryState;
}

const REASON_CHARS_MAX = 512;

export async function execute(input: ExecuteInput): Promise<Executed> {
  const run = new Execution(input);
  for (const resource of input.resources) await run.turn(resource);
  return { outcomes: run.outcomes(), retry: run.retry };
}

class Execution {
  readonly #input: ExecuteInput;
  readonly #settled = new Map<string, Settled>();
  readonly #outcomes = new Map<string, ResourceOutcome>();
  readonly #watchers: ReadonlyMap<string, readonly string[]>;
  #stoppedBy: string | undefined;
  #isTouched = false;
  retry: RetryState;

  constructor(input: ExecuteInput) {
    this.#input = input;
    this.retry = input.retry;
    const watchers = new Map<string, string[]>();
    for (const { id, watch } of input.resources) for (const watched of watch) watchers.set(watched, [...(watchers.get(watched) ?? []), id]);
    this.#watchers = watchers;
  }

  outcomes(): readonly ResourceOutcome[] {
    return this.#input.resources.flatMap(({ id }) => this.#outcomes.get(id) ?? []);
  }

  async turn(resource: Resource): Promise<void> {
    if (this.#settled.has(resource.id)) return;
    if (this.#input.stop?.aborted === true) return this.#settle(resource, "skipped", "because the agent is stopping");
    const seen = this.#isTouched ? await this.#look([resource]) : this.#input.seen;
    const verdict = this.#judge(resource, seen);
    if (verdict.is !== "change") return this.#conclude(resource, verdict);
    const batch = await this.#batch(resource, verdict.steps);
    if (batch === undefined) return this.#apply(resource, verdict.steps);
    await this.#applyTogether(batch);
  }

  #judge(resource: Resource, seen: ReadonlyMap<string, Seen>): Verdict {
    const one = seen.get(resource.id) ?? { ok: false, because: "it was not looked at" };
    const { isAsked, context } = this.#input;
    return judge(resource, one, {
      settled: this.#settled,
      retry: this.retry,
      nowMs: context.world.clock.wallMs(),
      isAsked,
      stoppedBy: this.#stoppedBy,
      isForesight: false,
    });
  }

  async #look(resources: readonly Resource[]): Promise<ReadonlyMap<string, Seen>> {
    // What was done may have moved directories: walk to them anew.
    this.#input.context.parents.close();
    return observe(this.#input.context, this.#input.providers, resources);
  }

  #conclude(resource: Resource, verdict: Exclude<Verdict, { is: "change" }>): void {
    switch (verdict.is) {
      case "unchanged":
        this.retry = withSuccess(this.retry, resource.id);
        return this.#settle(resource, "unchanged", "");
      case "failed":
        return this.#fail(resource, verdict.because);
      case "skipped":
        return this.#settle(resource, "skipped", `because ${verdict.because}`);
      case "waiting":
        return this.#settle(resource, "waiting", verdict.because);
      case "unclear":
        return this.#fail(resource, verdict.because);
    }
  }

  async #apply(resource: Resource, steps: readonly Step[]): Promise<void> {
    this.#noteWatchers([resource]);
    try {
      for (const step of steps) await this.#applyStep(step);
    } catch (error) {
      // After a failed fsync nothing on this disk can be believed: the process stops (faults.md H04).
      if (isFault(error, "disk_failed") && error.facts["errno"] === "EIO") throw error;
      // The message says it; codes and causes are for the log.
      return this.#fail(resource, this.#input.context.parents.inWords(isFault(error) ? error.message : flatten(error)));
    }
    await this.#verify([{ resource, steps }]);
  }

  async #applyStep(step: Step): Promise<void> {
    this.#isTouched = true;
    this.#input.context.parents.close();
    await applyStep(this.#input.context, this.#input.providers, step);
  }

  /** Other package resources whose turn could be now as well: the system gets one transaction for all. */
  async #batch(first: Resource, steps: readonly Step[]): Promise<readonly Work[] | undefined> {
    if (first.type !== "package" || this.#input.providers.package.provider?.applyTogether === undefined) return undefined;
    const others = this.#input.resources.filter(
      (one) => one.type === first.type && one.id !== first.id && !this.#settled.has(one.id) && dependencies(one).every((id) => this.#settled.has(id)),
    );
    const seen = this.#isTouched ? await this.#look(others) : this.#input.seen;
    const ready = others.flatMap((resource) => {
      const verdict = this.#judge(resource, seen);
      return verdict.is === "change" ? [{ resource, steps: verdict.steps }] : [];
    });
    return ready.length === 0 ? undefined : [{ resource: first, steps }, ...ready];
  }

  async #applyTogether(batch: readonly Work[]): Promise<void> {
    this.#noteWatchers(batch.map(({ resource }) => resource));
    const { context, providers } = this.#input;
    const chosen = providers.package;
    this.#isTouched = true;
    try {
      const steps = batch.flatMap(({ steps }) => steps).filter(isPackageStep);
      if (chosen.provider?.applyTogether === undefined) throw new Error("nothing here applies together");
      await chosen.provider.applyTogether(context, steps);
    } catch (error) {
      context.world.log.event("warn", "resource.failed", { id: batch.map(({ resource }) => resource.id).join(" "), next: "each is tried alone" }, error);
      // One bad name fails the whole transaction: alone, it fails alone.
      for (const { resource, steps } of batch) await this.#apply(resource, steps);
      return;
    }
    await this.#verify(batch);
  }

  #noteWatchers(resources: readonly Resource[]): void {
    const watchers = resources.flatMap(({ id }) => this.#watchers.get(id) ?? []);
    const noted = withTriggers(this.retry, watchers);
    if (noted === this.retry) return;
    this.retry = noted;
    this.#input.journal(noted);
  }

  /** Seen once more: what still differs has failed, whatever its program said. */
  async #verify(batch: readonly Work[]): Promise<void> {
    const seen = await this.#look(batch.map(({ resource }) => resource));
    for (const { resource, steps } of batch) {
      const one = seen.get(resource.id);
      const because = one === undefined ? "it was not looked at" : one.ok ? leftOf(resource, one) : one.because;
      if (because === undefined) {
        this.retry = withSuccess(this.retry, resource.id);
        this.#settle(resource, "changed", reasonOf(steps));
        this.#input.context.world.log.event("info", "resource.changed", { id: resource.id, steps: steps.map((step) => step.do).join(" ") });
      } else this.#fail(resource, `it was applied and is still not as wanted: ${because}`);
    }
  }

  #fail(resource: Resource, because: string): void {
    this.retry = withFailure(this.retry, resource, because, this.#input.context.world.clock.wallMs());
    if (resource.onFail === "stop") this.#stoppedBy ??= resource.id;
    this.#input.context.world.log.event("warn", "resource.failed", { id: resource.id, because: resource.sensitive ? "not shown: it holds a secret" : because });
    this.#settle(resource, "failed", because);
  }

  #settle(resource: Resource, what: Exclude<Settled, "unclear">, reason: string): void {
    this.#settled.set(resource.id, what);
    this.#outcomes.set(resource.id, { id: resource.id, outcome: what, reason: reason.slice(0, REASON_CHARS_MAX) });
  }
}

interface Work {
  readonly resource: Resource;
  readonly steps: readonly Step[];
}

const isPackageStep = (step: Step): step is StepOf<"package"> => step.do === "package.install" || step.do === "package.remove";

export function reasonOf(steps: readonly Step[]): string {
  return [...new Set(steps.map((step) => step.reason))].join("; ").slice(0, REASON_CHARS_MAX);
}

/** A command that may run as often as its `onlyIf` holds has nothing left to show; every other kind is measured by `decide`. */
function leftOf(resource: Resource, seen: Extract<Seen, { ok: true }>): string | undefined {
  const left = decide(resource, seen.observed, false);
  if (left.length === 0) return undefined;
  if (resource.type === "command" && resource.params.creates === undefined && resource.params.unless === undefined) return undefined;
  return reasonOf(left);
}
