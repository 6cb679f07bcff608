/**
 * How a box asks to be taken in (protocol.md, "Enrollment"). Pure: the driver (edge/enroll/run-enrollment.ts) performs the
 * effects, writes each new state to disk before it goes on, and feeds back what happened; so a box that loses power at any
 * point goes on where it was, with the same keys, and the hub sees one host.
 *
 * URLs are tried in order. A connection failure or a 5xx goes to the next one after a jittered back-off, a 4xx never does; the
 * URL that worked is kept. A challenge that the hub no longer knows is fetched anew and the request resubmitted, three
 * attempts in all. Every wait has a reason that is logged.
 */
import { unreachable } from "../../../shared/core/assert.ts";
import { backoffMs, LINK_BACKOFF } from "../../../shared/core/backoff.ts";
import type { Rng } from "../../../shared/ports/rng.ts";

export const CHALLENGE_TRIES_MAX = 3;
export const POLL_MS_MIN = 1_000;
export const POLL_MS_MAX = 60_000;
const RETRY_AFTER_MS_MAX = 15 * 60_000;

/** Codes of a 401 or 4xx that a fresh challenge mends. */
const STALE_CHALLENGE = new Set(["challenge_unknown", "challenge_expired", "challenge_used"]);

export type Enrollment = {
  readonly urls: number;
  readonly urlAt: number;
  /** Whether `urlAt` has answered: the URL that worked is kept. */
  readonly isPinned: boolean;
  /** Connection failures and 5xx in a row. */
  readonly failures: number;
  /** Resubmissions because of a stale challenge. */
  readonly challengeTries: number;
} & EnrollStep;

export type EnrollStep =
  | { readonly at: "asking" }
  | { readonly at: "submitting"; readonly challengeId: string; readonly nonce: string }
  | { readonly at: "pending"; readonly requestId: string; readonly pollMs: number }
  /** The hub says yes; the box has yet to verify it. */
  | { readonly at: "verifying"; readonly requestId: string }
  | { readonly at: "enrolled" }
  | { readonly at: "rejected"; readonly because: string }
  | { readonly at: "failed"; readonly code: string; readonly because: string };

export type EnrollEvent =
  | { readonly on: "due" }
  | { readonly on: "challenged"; readonly challengeId: string; readonly nonce: string }
  | { readonly on: "accepted"; readonly requestId: string; readonly pollMs: number }
  | { readonly on: "pending"; readonly pollMs: number }
  | { readonly on: "approved" }
  | { readonly on: "verified" }
  | { readonly on: "unverified"; readonly code: string; readonly because: string }
  | { readonly on: "rejected"; readonly because: string }
  /** No connection, a timeout, or TLS that is not what the join code pins. */
  | { readonly on: "unreached"; readonly code: string }
  | { readonly on: "answered"; readonly status: number; readonly code: string; readonly because: string; readonly retryAfterMs: number | undefined };

export type EnrollEffect =
  | { readonly run: "challenge" | "submit" | "poll" | "verify" }
  | { readonly run: "wait"; readonly ms: number; readonly because: string }
  | { readonly run: "rotate"; readonly urlAt: number; readonly because: string };

export interface EnrollTurn {
  readonly state: Enrollment;
  readonly effects: readonly EnrollEffect[];
}

export function newEnrollment(urls: number): Enrollment {
  return { at: "asking", urls, urlAt: 0, isPinned: false, failures: 0, challengeTries: 0 };
}

/** What a state read back from disk does first. A challenge lives minutes: after a restart a fresh one is fetched. */
export function resume(state: Enrollment): Enrollment {
  if (state.at === "submitting") return { ...common(state), at: "asking", failures: 0 };
  if (state.at === "verifying") return { ...common(state), at: "pending", requestId: state.requestId, pollMs: POLL_MS_MIN, failures: 0 };
  // Somebody ran `enroll` again on purpose: a refusal is asked anew, with the same keys.
  if (state.at === "rejected" || state.at === "failed") return { ...common(state), at: "asking", failures: 0, challengeTries: 0 };
  return { ...state, failures: 0 };
}

export function isFinal(state: Enrollment): boolean {
  return state.at === "enrolled" || state.at === "rejected" || state.at === "failed";
}

export function turn(state: Enrollment, event: EnrollEvent, rng: Rng): EnrollTurn {
  switch (event.on) {
    case "due":
      return due(state);
    case "challenged":
      return go({ ...worked(state), at: "submitting", challengeId: event.challengeId, nonce: event.nonce }, { run: "submit" });
    case "accepted":
      return go({ ...worked(state), challengeTries: 0, at: "pending", requestId: event.requestId, pollMs: clampPoll(event.pollMs) }, { run: "poll" });
    case "pending":
      if (state.at !== "pending") return { state, effects: [] };
      return go(
        { ...worked(state), at: "pending", requestId: state.requestId, pollMs: clampPoll(event.pollMs) },
        wait(clampPoll(event.pollMs) * (0.9 + rng.next() / 5), "waiting for approval"),
      );
    case "approved":
      if (state.at !== "pending") return { state, effects: [] };
      return go({ ...worked(state), at: "verifying", requestId: state.requestId }, { run: "verify" });
    case "verified":
      return { state: { ...common(state), at: "enrolled" }, effects: [] };
    case "unverified":
      return { state: { ...common(state), at: "failed", code: event.code, because: event.because }, effects: [] };
    case "rejected":
      return { state: { ...common(state), at: "rejected", because: event.because }, effects: [] };
    case "unreached":
      return retry(state, event.code, 0, rng);
    case "answered":
      return answered(state, event, rng);
    default:
      return unreachable(event);
  }
}

function due(state: Enrollment): EnrollTurn {
  switch (state.at) {
    case "asking":
      return { state, effects: [{ run: "challenge" }] };
    case "submitting":
      return { state, effects: [{ run: "submit" }] };
    case "pending":
      return { state, effects: [{ run: "poll" }] };
    case "verifying":
      return { state, effects: [{ run: "verify" }] };
    case "enrolled":
    case "rejected":
    case "failed":
      return { state, effects: [] };
    default:
      return unreachable(state);
  }
}

function answered(state: Enrollment, event: Extract<EnrollEvent, { readonly on: "answered" }>, rng: Rng): EnrollTurn {
  const asked = Math.min(RETRY_AFTER_MS_MAX, event.retryAfterMs ?? 0);
  if (event.status >= 500) return retry(state, event.code, asked, rng);
  if (event.status === 429)
    return go({ ...state, failures: state.failures + 1 }, wait(Math.max(asked, backoffMs(LINK_BACKOFF, state.failures, rng)), event.code));
  if (STALE_CHALLENGE.has(event.code)) {
    const tries = state.challengeTries + 1;
    if (tries >= CHALLENGE_TRIES_MAX)
      return { state: { ...common(state), challengeTries: tries, at: "failed", code: event.code, because: event.because }, effects: [] };
    return go({ ...common(state), challengeTries: tries, at: "asking" }, wait(backoffMs(LINK_BACKOFF, tries - 1, rng), event.code));
  }
  // A hub that lost or never had this request is asked again from the start: the same keys make it the same host.
  if (state.at === "pending" && (event.status === 404 || event.status === 410))
    return go({ ...common(state), at: "asking" }, wait(backoffMs(LINK_BACKOFF, 1, rng), event.code));
  return { state: { ...common(state), at: "failed", code: event.code, because: event.because }, effects: [] };
}

/** A key that is not the pinned one is no accident that time mends: after this many rounds over all URLs, say so and stop. */
const TLS_ROUNDS_MAX = 3;

function retry(state: Enrollment, code: string, askedMs: number, rng: Rng): EnrollTurn {
  if (code === "net_tls" && state.failures + 1 >= state.urls * TLS_ROUNDS_MAX) {
    return { state: { ...common(state), at: "failed", code, because: "The hub's TLS key or certificate is not the one expected" }, effects: [] };
  }
  const urlAt = (state.urlAt + 1) % state.urls;
  // A whole round over the URLs counts as one step of the back-off: three dead hubs must not make the fourth wait minutes.
  const ms = Math.max(askedMs, backoffMs(LINK_BACKOFF, Math.floor(state.failures / state.urls), rng));
  // A challenge belongs to the hub that gave it.
  const step: Enrollment = state.at === "submitting" && state.urls > 1 ? { ...common(state), at: "asking" } : state;
  const next: Enrollment = { ...step, urlAt, isPinned: false, failures: state.failures + 1 };
  const rotation: readonly EnrollEffect[] = urlAt === state.urlAt ? [] : [{ run: "rotate", urlAt, because: code }];
  return { state: next, effects: [...rotation, wait(ms, code)] };
}

function worked(state: Enrollment): Omit<Enrollment, keyof EnrollStep> {
  return { ...common(state), isPinned: true, failures: 0 };
}

function common({ urls, urlAt, isPinned, failures, challengeTries }: Enrollment): Omit<Enrollment, keyof EnrollStep> {
  return { urls, urlAt, isPinned, failures, challengeTries };
}

function go(state: Enrollment, effect: EnrollEffect): EnrollTurn {
  return { state, effects: [effect] };
}

function wait(ms: number, because: string): EnrollEffect {
  return { run: "wait", ms: Math.max(100, Math.round(ms)), because };
}

function clampPoll(ms: number): number {
  return Math.min(POLL_MS_MAX, Math.max(POLL_MS_MIN, ms));
}
