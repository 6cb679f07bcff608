/**
 * How a box reaches its hub: one request in flight, ever; every path to the next request sleeps; nothing the hub says can make
 * the box spin or stop enforcing. The state says in words how the link stands, and `status` prints just that.
 *
 * Rules (protocol.md): back-off 1 s → 5 min with full jitter; another URL after a connection failure or a 5xx, never after a
 * 4xx; 429 and 503 honour Retry-After (bounded: a hub may slow a box down, not silence it); 401 means this credential is
 * revoked or unknown, which ends operations and not enforcing; the hub sets the pace with `next_ms`; a hub whose epoch rose was
 * restored from a backup and is offered what this box holds. Called by edge/sync/link-service.ts alone.
 */
import { assert, unreachable } from "../../../shared/core/assert.ts";
import { backoffMs, LINK_BACKOFF } from "../../../shared/core/backoff.ts";
import { PROTOCOL } from "../../../shared/protocol/version.ts";
import type { Rng } from "../../../shared/ports/rng.ts";

/** The longest wait a hub can ask for. */
export const PACE_MS_MAX = 15 * 60_000;
/** Between two requests when the hub answers a held one at once with nothing: the shortest sleep there is. */
export const PACE_MS_MIN = 1_000;
/** Between two batches while the outbox drains, and before a woken request: lets what comes together go together. */
export const DRAIN_MS = 100;
/** After the answer to ops that were new here: the next request is held again at once. */
export const OPS_PACE_MS = 1;
/** Requests in a row that do not wait: the one with the answer, and the one that is held again. */
const OPS_QUICK = 2;
/** A revoked box asks rarely whether it still is. */
export const REVOKED_MS = 5 * 60_000;

export type Standing =
  | { readonly is: "starting" }
  | { readonly is: "connected"; readonly sinceMs: number }
  | { readonly is: "offline"; readonly because: string; readonly sinceMs: number }
  /** The hub answers, and refuses this request for a reason that is not about who asks. */
  | { readonly is: "refused"; readonly because: string; readonly sinceMs: number }
  | { readonly is: "revoked"; readonly sinceMs: number }
  | { readonly is: "unknown_to_hub"; readonly sinceMs: number };

export type Phase =
  | { readonly at: "idle" }
  | { readonly at: "sleeping"; readonly untilMs: number }
  | { readonly at: "asking"; readonly held: boolean }
  /** A reply's documents are being verified; the next request waits for what the box then holds. */
  | { readonly at: "settling"; readonly nextMs: number };

export interface Link {
  readonly phase: Phase;
  readonly standing: Standing;
  readonly urls: number;
  readonly urlAt: number;
  /** Failures in a row. */
  readonly failures: number;
  /** Answers in a row that led nowhere: refused documents, rows not acknowledged, the same offer wanted again. */
  readonly stalls: number;
  /** Rows per batch at most; halves when the hub refuses a batch, so that one bad row is found and set aside. */
  readonly batchMax: number;
  /** False until this process has learnt what the hub has acknowledged. */
  readonly learnt: boolean;
  readonly hubEpoch: number;
  readonly offering: boolean;
  readonly minProtocol: number;
  readonly lastOkMs: number | undefined;
  /** Something urgent came while a request was under way. */
  readonly woken: boolean;
  /** Requests left at the pace of ops. */
  readonly quick: number;
}

export type LinkEvent =
  | { readonly on: "due"; readonly unsent: boolean }
  | { readonly on: "woken" }
  | { readonly on: "replied"; readonly reply: ReplyFacts }
  /** `advanced`: the box now holds something newer than before. */
  | { readonly on: "settled"; readonly advanced: boolean; readonly newOps?: boolean }
  | { readonly on: "failed"; readonly code: string }
  | { readonly on: "answered"; readonly status: number; readonly code: string; readonly retryAfterMs: number | undefined; readonly rows: number }
  | { readonly on: "cut" };

export interface ReplyFacts {
  readonly hubEpoch: number;
  readonly minProtocol: number;
  readonly nextMs: number;
  readonly hasDocuments: boolean;
  readonly wantsOffer: boolean;
  /** Rows still waiting after the acknowledgement. */
  readonly unsent: boolean;
  /** Rows went out and none of them was acknowledged, or none could be taken along. */
  readonly ignoredRows: boolean;
  readonly tookMs: number;
}

export type LinkEffect =
  | { readonly run: "ask"; readonly urlAt: number; readonly hold: boolean; readonly rowsMax: number; readonly offer: boolean }
  | { readonly run: "sleep"; readonly ms: number }
  /** End the held request now; the answer is `cut` (or a reply that was already on its way). */
  | { readonly run: "cut" }
  | { readonly run: "settle" }
  /** The hub refuses this single row: keep it, and stop sending it. */
  | { readonly run: "park" }
  | {
      readonly run: "log";
      readonly event: "link.up" | "link.down" | "link.refused" | "link.revoked" | "link.unknown" | "link.rotated" | "link.outdated" | "link.epoch_rose";
      readonly because: string;
    };

export interface LinkTurn {
  readonly state: Link;
  readonly effects: readonly LinkEffect[];
}

export const BATCH_MAX = 1_000;

export function newLink(urls: number, urlAt: number, hubEpoch: number): Link {
  assert(urls > 0, "a link has a URL");
  return {
    phase: { at: "idle" },
    standing: { is: "starting" },
    urls,
    urlAt: urlAt % urls,
    failures: 0,
    stalls: 0,
    batchMax: BATCH_MAX,
    learnt: false,
    hubEpoch,
    offering: false,
    minProtocol: 0,
    lastOkMs: undefined,
    woken: false,
    quick: 0,
  };
}

export function turn(state: Link, event: LinkEvent, nowMs: number, rng: Rng): LinkTurn {
  switch (event.on) {
    case "due":
      return ask(state, event.unsent);
    case "woken":
      return wake(state);
    case "replied":
      return replied(state, event.reply, nowMs, rng);
    case "settled":
      return settled(state, event, nowMs, rng);
    case "failed":
      return fail(state, event.code, nowMs, rng);
    case "answered":
      return answered(state, event, nowMs, rng);
    case "cut":
      // The answer to an op that was given a moment ago goes alone; all else that is urgent waits for what comes with it.
      return sleep({ ...state, woken: false, quick: Math.max(0, state.quick - 1) }, state.quick > 0 ? OPS_PACE_MS : DRAIN_MS, nowMs);
    default:
      return unreachable(event);
  }
}

/** The first request of a process carries no rows: it learns what the hub has acknowledged before any number is spent. */
function ask(state: Link, unsent: boolean): LinkTurn {
  if (state.phase.at === "asking" || state.phase.at === "settling") return { state, effects: [] };
  const rowsMax = state.learnt ? state.batchMax : 0;
  const hold = state.learnt && !unsent && !state.offering;
  return {
    state: { ...state, phase: { at: "asking", held: hold }, woken: false },
    effects: [{ run: "ask", urlAt: state.urlAt, hold, rowsMax, offer: state.offering }],
  };
}

function wake(state: Link): LinkTurn {
  switch (state.phase.at) {
    case "asking":
      if (state.phase.held && !state.woken) return { state: { ...state, woken: true }, effects: [{ run: "cut" }] };
      return { state: { ...state, woken: true }, effects: [] };
    case "settling":
      return { state: { ...state, woken: true }, effects: [] };
    case "sleeping":
    case "idle":
      // Neither a back-off nor the hub's pace is ever cut short: a busy box must not become a battering ram. The next request takes the rows along.
      return { state, effects: [] };
    default:
      return unreachable(state.phase);
  }
}

function replied(state: Link, reply: ReplyFacts, nowMs: number, rng: Rng): LinkTurn {
  const effects: LinkEffect[] = [];
  if (state.standing.is !== "connected") effects.push({ run: "log", event: "link.up", because: state.standing.is });
  const epochRose = reply.hubEpoch > state.hubEpoch && state.hubEpoch > 0;
  if (epochRose) effects.push({ run: "log", event: "link.epoch_rose", because: `${state.hubEpoch} to ${reply.hubEpoch}` });
  if (reply.minProtocol !== state.minProtocol && reply.minProtocol > PROTOCOL)
    effects.push({ run: "log", event: "link.outdated", because: String(reply.minProtocol) });
  const next: Link = {
    ...state,
    standing: state.standing.is === "connected" ? state.standing : { is: "connected", sinceMs: nowMs },
    failures: 0,
    batchMax: Math.min(BATCH_MAX, state.batchMax * 2),
    learnt: true,
    hubEpoch: Math.max(state.hubEpoch, reply.hubEpoch),
    offering: epochRose || reply.wantsOffer,
    minProtocol: reply.minProtocol,
    lastOkMs: nowMs,
    woken: false,
    quick: Math.max(0, state.quick - 1),
  };
  const stalled = reply.ignoredRows || (state.offering && reply.wantsOffer);
  const nextMs = stalled ? Math.round(backoffMs(LINK_BACKOFF, state.stalls, rng)) : paceMs(next, state, reply, rng);
  const counted: Link = stalled ? { ...next, stalls: state.stalls + 1 } : next;
  if (reply.hasDocuments) return { state: { ...counted, phase: { at: "settling", nextMs } }, effects: [...effects, { run: "settle" }] };
  const slept = sleep(stalled ? counted : { ...counted, stalls: 0 }, nextMs, nowMs);
  return { state: slept.state, effects: [...effects, ...slept.effects] };
}

/** The hub's pace; where it set none, at once for what waits, and with a floor when a held request came back early and empty. */
function paceMs(next: Link, before: Link, reply: ReplyFacts, rng: Rng): number {
  // A tenth of jitter upwards: agents that were told the same pace at once drift apart.
  if (before.quick > 0 && !reply.unsent && reply.nextMs === 0) return OPS_PACE_MS;
  if (reply.nextMs > 0) return Math.max(DRAIN_MS, Math.round(Math.min(PACE_MS_MAX, reply.nextMs) * (1 + rng.next() / 10)));
  if (!before.learnt || reply.unsent || next.offering || before.woken || reply.hasDocuments) return DRAIN_MS;
  const cameEarly = before.phase.at === "asking" && before.phase.held && reply.tookMs < PACE_MS_MIN;
  return cameEarly ? PACE_MS_MIN : DRAIN_MS;
}

function settled(state: Link, { advanced, newOps = false }: Extract<LinkEvent, { readonly on: "settled" }>, nowMs: number, rng: Rng): LinkTurn {
  if (state.phase.at !== "settling") return { state, effects: [] };
  // Only ops that this box never saw: the same offer again is a stall like any other.
  if (newOps) return answerAtOnce({ ...state, stalls: 0, quick: OPS_QUICK }, nowMs);
  if (advanced) return sleep({ ...state, stalls: 0 }, state.woken ? DRAIN_MS : state.phase.nextMs, nowMs);
  // The hub will offer the same thing again: what was refused must not become a busy loop.
  const waitMs = Math.max(state.phase.nextMs, Math.round(backoffMs(LINK_BACKOFF, state.stalls, rng)));
  return sleep({ ...state, stalls: state.stalls + 1 }, waitMs, nowMs);
}

function fail(state: Link, code: string, nowMs: number, rng: Rng): LinkTurn {
  const rotated = rotate(state);
  const down = { ...rotated, standing: offline(state.standing, code, nowMs) };
  return after(state, down, code, Math.round(backoffMs(LINK_BACKOFF, state.failures, rng)), nowMs, "link.down");
}

function answered(state: Link, event: Extract<LinkEvent, { readonly on: "answered" }>, nowMs: number, rng: Rng): LinkTurn {
  const backoff = backoffMs(LINK_BACKOFF, state.failures, rng);
  const asked = event.retryAfterMs === undefined ? 0 : Math.min(PACE_MS_MAX, event.retryAfterMs) * (1 + rng.next() / 2);
  const waitMs = Math.round(Math.max(backoff, asked));
  if (event.status >= 500)
    return after(state, { ...rotate(state), standing: offline(state.standing, event.code, nowMs) }, event.code, waitMs, nowMs, "link.down");
  if (event.status === 401) {
    const is = event.code === "revoked" ? "revoked" : "unknown_to_hub";
    const standing: Standing = { is, sinceMs: state.standing.is === is ? state.standing.sinceMs : nowMs };
    return after(
      state,
      { ...state, standing },
      event.code,
      Math.round(REVOKED_MS * (0.5 + rng.next())),
      nowMs,
      is === "revoked" ? "link.revoked" : "link.unknown",
    );
  }
  const standing: Standing = { is: "refused", because: event.code, sinceMs: state.standing.is === "refused" ? state.standing.sinceMs : nowMs };
  if (event.status === 429 || event.rows === 0) return after(state, { ...state, standing }, event.code, waitMs, nowMs, "link.refused");
  if (event.rows > 1) return after(state, { ...state, standing, batchMax: Math.max(1, Math.floor(event.rows / 2)) }, event.code, waitMs, nowMs, "link.refused");
  const parked = after(state, { ...state, standing }, event.code, waitMs, nowMs, "link.refused");
  return { state: parked.state, effects: [{ run: "park" }, ...parked.effects] };
}

/** A failure: count it, say it when it is news, sleep. */
function after(before: Link, next: Link, code: string, ms: number, nowMs: number, event: Extract<LinkEffect, { readonly run: "log" }>["event"]): LinkTurn {
  const log: LinkEffect[] = [{ run: "log", event, because: code }];
  if (next.urlAt !== before.urlAt) log.push({ run: "log", event: "link.rotated", because: code });
  const slept = sleep({ ...next, failures: before.failures + 1, woken: false, quick: 0 }, ms, nowMs);
  return { state: slept.state, effects: [...log, ...slept.effects] };
}

function sleep(state: Link, ms: number, nowMs: number): LinkTurn {
  assert(ms > 0, "every path to the next request sleeps");
  return { state: { ...state, phase: { at: "sleeping", untilMs: nowMs + ms } }, effects: [{ run: "sleep", ms }] };
}

/** The one path that sleeps for no time: the loop takes a turn, and the answer goes. It makes nobody spin, because an op is new once. */
function answerAtOnce(state: Link, nowMs: number): LinkTurn {
  return { state: { ...state, phase: { at: "sleeping", untilMs: nowMs } }, effects: [{ run: "sleep", ms: 0 }] };
}

function rotate(state: Link): Link {
  return { ...state, urlAt: (state.urlAt + 1) % state.urls };
}

function offline(standing: Standing, because: string, nowMs: number): Standing {
  return { is: "offline", because, sinceMs: standing.is === "offline" ? standing.sinceMs : nowMs };
}
