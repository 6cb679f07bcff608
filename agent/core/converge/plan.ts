import type { Resource } from "../../../shared/states/resource.ts";
import { judge, type Seen, type Settled, type Verdict } from "./judge.ts";
import type { RetryState } from "./retry.ts";

export interface Planned {
  readonly resource: Resource;
  readonly verdict: Verdict;
}

export interface PlanInput {
  /** In graph order: what a resource requires or watches comes before it. */
  readonly resources: readonly Resource[];
  readonly seen: ReadonlyMap<string, Seen>;
  readonly retry: RetryState;
  readonly nowMs: number;
  readonly isAsked: boolean;
}

/** What would be done and why, in order. Pure: the same for a dry run, monitor mode, a report and the run itself. */
export function plan(input: PlanInput): readonly Planned[] {
  const settled = new Map<string, Settled>();
  const planned: Planned[] = [];
  let stoppedBy: string | undefined;
  for (const resource of input.resources) {
    const seen = input.seen.get(resource.id) ?? { ok: false, because: "it was not looked at" };
    const verdict = judge(resource, seen, { settled, retry: input.retry, nowMs: input.nowMs, isAsked: input.isAsked, stoppedBy, isForesight: true });
    planned.push({ resource, verdict });
    settled.set(resource.id, verdict.is === "change" ? "changed" : verdict.is);
    if (verdict.is === "failed" && resource.onFail === "stop") stoppedBy ??= resource.id;
  }
  return planned;
}

export function isQuiet(planned: readonly Planned[]): boolean {
  return planned.every(({ verdict }) => verdict.is === "unchanged");
}
