/**
 * When a converge run starts. Time is monotonic here, so a wall clock that jumps a year neither skips nor piles up runs; what
 * is missed while the machine sleeps is made up once. One run at a time: triggers that come during a run fold into one run
 * after it. The interval's jitter is a hash of host and run number: a fleet spreads out, and a box behaves the same each time.
 */
import { unreachable } from "../../../shared/core/assert.ts";

export type Trigger = "boot" | "interval" | "bundle" | "spec" | "demand" | "retry";

/** Who wins when several wait: the reason a person would look for comes first. */
const RANK: Readonly<Record<Trigger, number>> = { demand: 5, bundle: 4, spec: 3, boot: 2, retry: 1, interval: 0 };

export const RETRY_FIRST_MS = 15_000;
export const RETRIES_QUICK_MAX = 5;
/** A fifth of the interval is spread: ± a tenth. */
const JITTER_SHARE = 0.1;

export interface Schedule {
  readonly seed: string;
  readonly intervalMs: number;
  /** Count of runs begun, for the jitter. */
  readonly runs: number;
  readonly running: Trigger | undefined;
  readonly waiting: Trigger | undefined;
  /** Monotonic time of the next interval or retry run. */
  readonly due: { readonly atMs: number; readonly trigger: "interval" | "retry" } | undefined;
  /** Runs in a row that did not get as far as a result. */
  readonly failures: number;
}

export type ScheduleEvent =
  | { readonly on: "tick" }
  | { readonly on: "wanted"; readonly trigger: Trigger }
  | { readonly on: "paced"; readonly intervalMs: number }
  /** `retryInMs`: something in the run asks to be tried again before the interval is over. */
  | { readonly on: "finished"; readonly ok: boolean; readonly retryInMs?: number | undefined };

export type ScheduleEffect = { readonly run: "converge"; readonly trigger: Trigger };
export interface ScheduleTurn {
  readonly state: Schedule;
  readonly effects: readonly ScheduleEffect[];
}

export function newSchedule(seed: string, intervalMs: number): Schedule {
  return { seed, intervalMs, runs: 0, running: undefined, waiting: undefined, due: undefined, failures: 0 };
}

export function turn(state: Schedule, event: ScheduleEvent, monoMs: number): ScheduleTurn {
  switch (event.on) {
    case "tick":
      if (state.due === undefined || monoMs < state.due.atMs) return begin(state);
      return begin(want({ ...state, due: undefined }, state.due.trigger));
    case "wanted":
      return begin(want(state, event.trigger));
    case "paced":
      return begin(repace(state, event.intervalMs, monoMs));
    case "finished":
      return begin(finish(state, event, monoMs));
    default:
      return unreachable(event);
  }
}

/** How long to sleep before the next tick is worth it. */
export function sleepMs(state: Schedule, monoMs: number): number | undefined {
  return state.running !== undefined || state.due === undefined ? undefined : Math.max(0, state.due.atMs - monoMs);
}

function want(state: Schedule, trigger: Trigger): Schedule {
  const waiting = state.waiting === undefined || RANK[trigger] > RANK[state.waiting] ? trigger : state.waiting;
  return { ...state, waiting };
}

function begin(state: Schedule): ScheduleTurn {
  if (state.running !== undefined || state.waiting === undefined) return { state, effects: [] };
  return {
    state: { ...state, runs: state.runs + 1, running: state.waiting, waiting: undefined, due: undefined },
    effects: [{ run: "converge", trigger: state.waiting }],
  };
}

function finish(state: Schedule, event: { readonly ok: boolean; readonly retryInMs?: number | undefined }, monoMs: number): Schedule {
  const failures = event.ok ? 0 : state.failures + 1;
  const intervalAt = monoMs + jittered(state);
  const retryIn = event.ok ? event.retryInMs : failures <= RETRIES_QUICK_MAX ? RETRY_FIRST_MS * 2 ** (failures - 1) : undefined;
  const retryAt = retryIn === undefined ? undefined : monoMs + Math.max(RETRY_FIRST_MS, retryIn);
  const due = retryAt !== undefined && retryAt < intervalAt ? { atMs: retryAt, trigger: "retry" as const } : { atMs: intervalAt, trigger: "interval" as const };
  return { ...state, running: undefined, failures, due };
}

/** A shorter interval pulls the next run in; a longer one lets the planned run happen. */
function repace(state: Schedule, intervalMs: number, monoMs: number): Schedule {
  if (intervalMs === state.intervalMs) return state;
  const paced = { ...state, intervalMs };
  if (paced.due === undefined || paced.due.trigger === "retry") return paced;
  return { ...paced, due: { atMs: Math.min(paced.due.atMs, monoMs + jittered(paced)), trigger: "interval" } };
}

function jittered({ seed, runs, intervalMs }: Schedule): number {
  return Math.round(intervalMs * (1 - JITTER_SHARE + 2 * JITTER_SHARE * fraction(`${seed}/${runs}`)));
}

/** FNV-1a with a final mix, as a fraction in [0, 1). Spread, not secrecy. */
function fraction(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}
