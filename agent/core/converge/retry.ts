/**
 * What is remembered about resources between two runs, as plain JSON: who failed how often, and who has yet to act on a
 * change of what it watches. A resource that keeps failing is tried less and less (2 min, 4, 8 … 1 h) and never holds up
 * another; a new declaration of it, or somebody who asks, makes it due at once.
 */
import { sha256Hex } from "../../../shared/core/sha256.ts";
import { utf8 } from "../../../shared/core/bytes.ts";
import type { Resource } from "../../../shared/states/resource.ts";

export interface Failure {
  readonly tries: number;
  readonly atMs: number;
  readonly because: string;
  /** Of the declaration that failed. */
  readonly of: string;
}

export interface RetryState {
  readonly v: 1;
  readonly failures: Readonly<Record<string, Failure>>;
  /** Ids of resources that watch something that was changed and have not acted on it. Recorded before the change is made. */
  readonly triggered: readonly string[];
}

export const NO_RETRIES: RetryState = { v: 1, failures: {}, triggered: [] };
export const RETRY_FIRST_MS = 120_000;
export const RETRY_MAX_MS = 3_600_000;
const BECAUSE_CHARS_MAX = 256;

export function declarationOf(resource: Resource): string {
  return sha256Hex(utf8(JSON.stringify(resource.params))).slice(0, 16);
}

/** From when the resource may be tried again; `undefined`: now. A clock that went backwards does not lengthen the wait. */
export function heldUntilMs(failure: Failure | undefined, declaration: string, nowMs: number): number | undefined {
  if (failure === undefined || failure.of !== declaration) return undefined;
  const waitMs = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** Math.min(failure.tries - 1, 20));
  const until = failure.atMs + waitMs;
  return nowMs >= until || failure.atMs > nowMs ? undefined : until;
}

export function withFailure(state: RetryState, resource: Resource, because: string, nowMs: number): RetryState {
  const declaration = declarationOf(resource);
  const before = state.failures[resource.id];
  const tries = before?.of === declaration ? before.tries + 1 : 1;
  return { ...state, failures: { ...state.failures, [resource.id]: { tries, atMs: nowMs, because: because.slice(0, BECAUSE_CHARS_MAX), of: declaration } } };
}

/** It is as wanted: nothing is held against it, and whatever it watched has been answered. */
export function withSuccess(state: RetryState, id: string): RetryState {
  if (state.failures[id] === undefined && !state.triggered.includes(id)) return state;
  const { [id]: _, ...failures } = state.failures;
  return { ...state, failures, triggered: state.triggered.filter((one) => one !== id) };
}

export function withTriggers(state: RetryState, ids: readonly string[]): RetryState {
  const added = ids.filter((id) => !state.triggered.includes(id));
  return added.length === 0 ? state : { ...state, triggered: [...state.triggered, ...added] };
}

/** What is no longer declared is forgotten. */
export function pruned(state: RetryState, resources: readonly Resource[]): RetryState {
  const ids = new Set(resources.map(({ id }) => id));
  return {
    v: 1,
    failures: Object.fromEntries(Object.entries(state.failures).filter(([id]) => ids.has(id))),
    triggered: state.triggered.filter((id) => ids.has(id)),
  };
}

/**
 * Milliseconds until the first held-back resource is due; `undefined` when none waits. What is overdue was looked at in this
 * very run (and skipped, say): a run on its account would find the same.
 */
export function retryInMs(state: RetryState, nowMs: number): number | undefined {
  const waits = Object.values(state.failures).flatMap((failure) => {
    const until = heldUntilMs(failure, failure.of, nowMs);
    return until === undefined ? [] : [until - nowMs];
  });
  return waits.length === 0 ? undefined : Math.min(...waits);
}

/** From what the caller kept. Damage costs an early try and nothing else, so what is not understood is left out. */
export function readRetryState(kept: Readonly<Record<string, unknown>>): RetryState {
  const { v, failures, triggered } = kept;
  if (v !== 1) return NO_RETRIES;
  return {
    v: 1,
    failures: Object.fromEntries(Object.entries(isRecord(failures) ? failures : {}).flatMap(([id, failure]) => (isFailure(failure) ? [[id, failure]] : []))),
    triggered: Array.isArray(triggered) ? triggered.filter((id): id is string => typeof id === "string") : [],
  };
}

function isFailure(value: unknown): value is Failure {
  return (
    isRecord(value) &&
    typeof value["tries"] === "number" &&
    typeof value["atMs"] === "number" &&
    typeof value["because"] === "string" &&
    typeof value["of"] === "string"
  );
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
