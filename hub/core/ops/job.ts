/**
 * One op on its way to all of its hosts: counts, batches, and what is due when. Everything the hub does with a job follows from this
 * state and the time, so a restart reads it from its row and goes on; there is no timer anywhere.
 *
 * A batch is settled when all of its hosts ended, or when its patience is over: a box that is away must not stop the others, it
 * runs the op when it comes back. Too many bad ends, or a canary that did not return well, stop what has not been given to a box.
 * What a box may have is never called cancelled here: only that box can say so (`target-state.ts`).
 */
import { assert, unreachable } from "../../../shared/core/assert.ts";
import type { OpState, TargetState } from "../../../shared/protocol/api/ops.ts";
import { isOpenTarget, type Withdrawal } from "./target-state.ts";

export type Counts = Readonly<Record<TargetState, number>>;
export const NO_COUNTS: Counts = {
  queued: 0,
  waiting: 0,
  delivered: 0,
  running: 0,
  returned: 0,
  failed: 0,
  refused: 0,
  busy: 0,
  silent: 0,
  expired: 0,
  cancelled: 0,
};

/** What never changes after the acceptance. */
export interface Plan {
  readonly batches: number;
  readonly canaries: boolean;
  readonly pauseMs: number;
  readonly maxFail: number | null;
  /** How long a batch is waited for before the next may go. */
  readonly patienceMs: number;
  /** Kinds that are not kept for a box that is away: their hosts are given up when the batch's patience is over. */
  readonly dropsAway: boolean;
  /** Nothing starts after this. */
  readonly expiresAtMs: number;
  /** No answer is expected after this. */
  readonly answerByMs: number;
}

export interface Job {
  readonly plan: Plan;
  readonly counts: Counts;
  /** The newest batch that was released, when, and how its hosts stand. */
  readonly batch: number;
  readonly batchAtMs: number;
  readonly batchOpen: number;
  readonly batchBad: number;
  /** When it was settled; null before. */
  readonly settledAtMs: number | null;
  /** Set once; nothing more is released. */
  readonly stop: Withdrawal | null;
}

export type JobEvent =
  /** Hosts of one batch moved from one state to another. */
  | { readonly on: "moved"; readonly from: TargetState; readonly to: TargetState; readonly batch: number; readonly count: number }
  | { readonly on: "stopped"; readonly because: Withdrawal }
  | { readonly on: "time" };

/** Each asks for moves that come back as `moved`. Asked again until there is nothing left to move. */
export type JobEffect =
  | { readonly run: "release"; readonly batch: number }
  | { readonly run: "withdraw"; readonly because: Withdrawal }
  | { readonly run: "drop-away" }
  | { readonly run: "end" }
  | { readonly run: "give-up" };

export interface JobTurn {
  readonly job: Job;
  readonly effects: readonly JobEffect[];
}

/** `released` are the hosts of batch 0. */
export function newJob(plan: Plan, placed: { readonly total: number; readonly released: number }, nowMs: number): Job {
  const counts = { ...NO_COUNTS, queued: placed.total - placed.released, waiting: placed.released };
  return { plan, counts, batch: 0, batchAtMs: nowMs, batchOpen: placed.released, batchBad: 0, settledAtMs: null, stop: null };
}

export function turnJob(job: Job, event: JobEvent, nowMs: number): JobTurn {
  switch (event.on) {
    case "moved":
      return decide(moved(job, event), nowMs);
    case "stopped":
      return decide(isOver(job) ? job : { ...job, stop: job.stop ?? event.because }, nowMs);
    case "time":
      return decide(job, nowMs);
    default:
      return unreachable(event);
  }
}

function moved(job: Job, { from, to, batch, count }: Extract<JobEvent, { readonly on: "moved" }>): Job {
  assert(job.counts[from] >= count, "no more hosts leave a state than were in it");
  if (from === to || count === 0) return job;
  const counts = { ...job.counts, [from]: job.counts[from] - count, [to]: job.counts[to] + count };
  if (batch !== job.batch || isOpenTarget(to)) return { ...job, counts };
  return { ...job, counts, batchOpen: job.batchOpen - count, batchBad: job.batchBad + (to === "returned" ? 0 : count) };
}

function decide(job: Job, nowMs: number): JobTurn {
  if (isOver(job)) return { job, effects: [] };
  const now = advance(job, nowMs);
  const { counts, plan } = now;
  const effects: JobEffect[] = [];
  const heldBack = counts.queued + counts.waiting;
  if (heldBack > 0 && nowMs >= plan.expiresAtMs) effects.push({ run: "end" });
  else if (heldBack > 0 && now.stop !== null) effects.push({ run: "withdraw", because: now.stop });
  else if (now.batch !== job.batch) effects.push({ run: "release", batch: now.batch });
  else if (isDropping(now, nowMs)) effects.push({ run: "drop-away" });
  if (counts.delivered + counts.running > 0 && nowMs >= plan.answerByMs) effects.push({ run: "give-up" });
  return { job: now, effects };
}

/** Stops or goes to the next batch, when it is time to. */
function advance(job: Job, nowMs: number): Job {
  const { plan, counts } = job;
  if (job.stop !== null || counts.queued === 0) return job.stop === null ? failedTooOften(job) : job;
  const checked = failedTooOften(job);
  if (checked.stop !== null) return checked;
  if (isDropping(job, nowMs)) return job;
  const settled = job.batchOpen === 0 || nowMs >= job.batchAtMs + plan.patienceMs;
  if (!settled) return job;
  if (plan.canaries && job.batch === 0 && (job.batchOpen > 0 || job.batchBad > 0)) return { ...job, stop: "canary" };
  const settledAtMs = job.settledAtMs ?? nowMs;
  if (nowMs < settledAtMs + plan.pauseMs) return { ...job, settledAtMs };
  // Until `released` says how many hosts of the batch are really open (some may have answered before they were asked), all that is left.
  return { ...job, batch: job.batch + 1, batchAtMs: nowMs, batchOpen: counts.queued, batchBad: 0, settledAtMs: null };
}

const isDropping = ({ plan, counts, batchAtMs }: Job, nowMs: number): boolean => plan.dropsAway && counts.waiting > 0 && nowMs >= batchAtMs + plan.patienceMs;

function failedTooOften(job: Job): Job {
  const { maxFail } = job.plan;
  return maxFail !== null && badOf(job.counts) > maxFail && job.counts.queued + job.counts.waiting > 0 ? { ...job, stop: "max_fail" } : job;
}

/** Ends that say something is wrong. A box that was never reached says nothing. */
const badOf = (counts: Counts): number => counts.failed + counts.refused + counts.busy + counts.silent;

/** After a release: how many of the batch are to be waited for. */
export const released = (job: Job, open: number): Job => ({ ...job, batchOpen: open });

export const openOf = ({ counts }: Pick<Job, "counts">): number => counts.queued + counts.waiting + counts.delivered + counts.running;
export const totalOf = ({ counts }: Pick<Job, "counts">): number => Object.values(counts).reduce((sum, count) => sum + count, 0);
export const isOver = (job: Job): boolean => openOf(job) === 0;

/** When `time` has something to say next; `undefined` only when it is over. */
export function dueAtOf(job: Job): number | undefined {
  if (isOver(job)) return undefined;
  const { counts, plan } = job;
  const heldBack = counts.queued + counts.waiting;
  const times: number[] = [];
  if (heldBack > 0) times.push(job.stop === null ? plan.expiresAtMs : 0);
  if (counts.delivered + counts.running > 0) times.push(plan.answerByMs);
  if (job.stop === null && counts.queued > 0) {
    times.push(job.settledAtMs === null ? (job.batchOpen === 0 ? 0 : job.batchAtMs + plan.patienceMs) : job.settledAtMs + plan.pauseMs);
  }
  if (job.stop === null && counts.waiting > 0 && plan.dropsAway) times.push(job.batchAtMs + plan.patienceMs);
  return Math.min(...times);
}

/** How the whole op stands, read from where its hosts stand. */
export function opStateOf(job: Job): OpState {
  const { counts } = job;
  if (!isOver(job)) {
    const answered = counts.returned + counts.failed + counts.refused + counts.busy;
    if (counts.running + answered > 0) return "running";
    return counts.delivered > 0 ? "delivered" : "signed";
  }
  const total = totalOf(job);
  if (counts.returned === total) return "done";
  if (counts.refused === total) return "refused";
  if (badOf(counts) > 0) return "failed";
  return counts.cancelled > 0 ? "cancelled" : "expired";
}
