/**
 * What to do about one resource, from what was seen of it and what became of the others. Pure: the planner folds this over
 * all resources for a plan, and the run asks it again at each resource's turn, with what is seen by then.
 * An observation that failed is a failed resource, never an absent thing.
 */
import type { Step } from "../../../shared/states/resources/registry.ts";
import { KINDS, type ObservedOf, type ResourceType, type StepOf, type WantedOf } from "../../../shared/states/resources/registry.ts";
import type { Resource } from "../../../shared/states/resource.ts";
import { declarationOf, heldUntilMs, type RetryState } from "./retry.ts";

export type Seen = { readonly ok: true; readonly observed: ObservedOf<ResourceType> } | { readonly ok: false; readonly because: string };

/** What became, or in a plan: is going to become, of a resource. */
export type Settled = "unchanged" | "changed" | "failed" | "skipped" | "waiting" | "unclear";

export type Verdict =
  | { readonly is: "unchanged" }
  | { readonly is: "change"; readonly steps: readonly Step[] }
  | { readonly is: "failed"; readonly because: string }
  | { readonly is: "skipped"; readonly because: string }
  | { readonly is: "waiting"; readonly because: string; readonly untilMs: number }
  /** Only in a plan: what it looks like once the resources before it are done cannot be known yet. */
  | { readonly is: "unclear"; readonly because: string };

export interface Circumstances {
  readonly settled: ReadonlyMap<string, Settled>;
  readonly retry: RetryState;
  readonly nowMs: number;
  /** Somebody asked: back-off is not a reason to wait. */
  readonly isAsked: boolean;
  /** The id of a failed resource that says `onFail: stop`. */
  readonly stoppedBy: string | undefined;
  /** Nothing is executed between two judgements: changes of others are only foreseen. */
  readonly isForesight: boolean;
}

export function judge(resource: Resource, seen: Seen, around: Circumstances): Verdict {
  const skip = skipReason(resource, around);
  if (skip !== undefined) return { is: "skipped", because: skip };
  const foreseen = around.isForesight
    ? dependencies(resource).find((id) => around.settled.get(id) === "changed" || around.settled.get(id) === "unclear")
    : undefined;
  if (!seen.ok)
    return foreseen === undefined
      ? { is: "failed", because: seen.because }
      : { is: "unclear", because: `decided once ${foreseen} is done (now: ${seen.because})` };
  const isTriggered = around.retry.triggered.includes(resource.id) || resource.watch.some((id) => around.settled.get(id) === "changed");
  const steps = decide(resource, seen.observed, isTriggered);
  const refusal = steps.find((step) => step.do === "refuse");
  if (refusal !== undefined)
    return foreseen === undefined
      ? { is: "failed", because: refusal.reason }
      : { is: "unclear", because: `decided once ${foreseen} is done (now: ${refusal.reason})` };
  if (steps.length === 0) return { is: "unchanged" };
  const failure = around.retry.failures[resource.id];
  const untilMs = around.isAsked ? undefined : heldUntilMs(failure, declarationOf(resource), around.nowMs);
  if (untilMs !== undefined && failure !== undefined) {
    return {
      is: "waiting",
      untilMs,
      because: `failed ${failure.tries === 1 ? "once" : `${failure.tries} times`}, tried again in ${minutes(untilMs - around.nowMs)} (${failure.because})`,
    };
  }
  return { is: "change", steps };
}

/** Type-safe for each type: a resource of type T is only ever seen by the observer of type T (see `observe`). */
export function decide<T extends ResourceType>(resource: Resource<T>, observed: ObservedOf<T>, isTriggered: boolean): readonly StepOf<T>[] {
  const wanted: WantedOf<T> = resource.params;
  return KINDS[resource.type].decide(wanted, observed, isTriggered);
}

function skipReason(resource: Resource, around: Circumstances): string | undefined {
  if (around.stoppedBy !== undefined) return `${around.stoppedBy} failed and stops the rest`;
  for (const id of dependencies(resource)) {
    const what = around.settled.get(id);
    if (what === "failed") return `${id} failed`;
    if (what === "skipped") return `${id} was skipped`;
    if (what === "waiting") return `${id} waits to be tried again`;
  }
  return undefined;
}

export function dependencies(resource: Resource): readonly string[] {
  return [...resource.require, ...resource.watch];
}

function minutes(ms: number): string {
  return ms < 60_000 ? `${Math.ceil(ms / 1_000)} s` : `${Math.ceil(ms / 60_000)} min`;
}
