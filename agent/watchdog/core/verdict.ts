/**
 * When the agent is started, left alone, ended and started again. Pure; edge/keeper.ts performs the effects.
 *
 * A fault is an agent that exited, that does not answer on its socket, or that says of itself that it cannot do its job. Being
 * offline is none of these: the agent says "ready" then. Restarts back off, and after too many in a row there is a slow tier
 * that tries on for ever: a watchdog that gives up is how boxes are lost. Somebody who mended the cause can re-arm it.
 */
import { unreachable } from "../../../shared/core/assert.ts";
import { type Backoff, backoffMs } from "../../../shared/core/backoff.ts";
import type { Rng } from "../../../shared/ports/rng.ts";

export const PROBE_MS = 5_000;
/** From start to the first answer. Opening and checking a large outbox on a slow card takes its time. */
export const STARTUP_MS = 120_000;
/** No answer for this many probes in a row: the event loop is stuck. */
export const SILENT_MAX = 6;
/** The agent says it is not ready for this long: a part of it is gone and does not come back by itself. */
export const UNREADY_MS = 5 * 60_000;
/** Between TERM and KILL. Longer than the agent's own bound for stopping all its services. */
export const STOP_MS = 100_000;
/** An agent that ran well for this long starts with a clean slate. */
export const STABLE_MS = 10 * 60_000;
export const QUICK: Backoff = { firstMs: 1_000, maxMs: 60_000 };
export const QUICK_RESTARTS_MAX = 10;
export const SLOW_MS = 10 * 60_000;

export type Keeping =
  | { readonly at: "down"; readonly startAtMs: number }
  | { readonly at: "starting"; readonly sinceMs: number }
  | { readonly at: "up"; readonly sinceMs: number; readonly silent: number; readonly unreadySinceMs: number | undefined }
  | { readonly at: "ending"; readonly killAtMs: number; readonly because: Cause }
  | { readonly at: "stopped" };

export type Cause = "exited" | "never_answered" | "silent" | "unready" | "stopping";

export interface Watch {
  readonly keeping: Keeping;
  /** Restarts since the agent last ran well. */
  readonly restarts: number;
  readonly lastCause: Cause | undefined;
}

export type WatchEvent =
  | { readonly on: "tick" }
  | { readonly on: "probed"; readonly answer: "ready" | "unready" | "silent" }
  | { readonly on: "exited" }
  | { readonly on: "rearmed" }
  | { readonly on: "stop" };

export type WatchEffect =
  | { readonly run: "start" }
  | { readonly run: "probe" }
  | { readonly run: "term" }
  | { readonly run: "kill" }
  | {
      readonly run: "tell";
      readonly event: "watchdog.child_started" | "watchdog.child_ended" | "watchdog.unready" | "watchdog.restarting";
      readonly because: string;
      readonly inMs?: number;
    };

export interface WatchTurn {
  readonly state: Watch;
  readonly effects: readonly WatchEffect[];
}

export const newWatch = (nowMs: number): Watch => ({ keeping: { at: "down", startAtMs: nowMs }, restarts: 0, lastCause: undefined });

export function turn(state: Watch, event: WatchEvent, nowMs: number, rng: Rng): WatchTurn {
  switch (event.on) {
    case "tick":
      return tick(state, nowMs);
    case "probed":
      return probed(state, event.answer, nowMs);
    case "exited":
      return exited(state, nowMs, rng);
    case "rearmed":
      return { state: { ...state, restarts: 0, keeping: state.keeping.at === "down" ? { at: "down", startAtMs: nowMs } : state.keeping }, effects: [] };
    case "stop":
      return stop(state, nowMs);
    default:
      return unreachable(event);
  }
}

export function isSlow(state: Watch): boolean {
  return state.restarts > QUICK_RESTARTS_MAX;
}

function tick(state: Watch, nowMs: number): WatchTurn {
  const { keeping } = state;
  switch (keeping.at) {
    case "down":
      if (nowMs < keeping.startAtMs) return { state, effects: [] };
      return {
        state: { ...state, keeping: { at: "starting", sinceMs: nowMs } },
        effects: [{ run: "start" }, { run: "tell", event: "watchdog.child_started", because: state.lastCause ?? "first start" }],
      };
    case "starting":
      return nowMs - keeping.sinceMs >= STARTUP_MS ? end(state, "never_answered", nowMs) : { state, effects: [{ run: "probe" }] };
    case "up":
      return { state, effects: [{ run: "probe" }] };
    case "ending":
      return { state, effects: nowMs >= keeping.killAtMs ? [{ run: "kill" }] : [] };
    case "stopped":
      return { state, effects: [] };
    default:
      return unreachable(keeping);
  }
}

function probed(state: Watch, answer: "ready" | "unready" | "silent", nowMs: number): WatchTurn {
  const { keeping } = state;
  if (keeping.at === "starting") {
    if (answer === "silent") return { state, effects: [] };
    return { state: { ...state, keeping: { at: "up", sinceMs: nowMs, silent: 0, unreadySinceMs: answer === "unready" ? nowMs : undefined } }, effects: [] };
  }
  if (keeping.at !== "up") return { state, effects: [] };
  switch (answer) {
    case "ready": {
      const isStable = nowMs - keeping.sinceMs >= STABLE_MS;
      return { state: { ...state, restarts: isStable ? 0 : state.restarts, keeping: { ...keeping, silent: 0, unreadySinceMs: undefined } }, effects: [] };
    }
    case "silent":
      if (keeping.silent + 1 >= SILENT_MAX) return end(state, "silent", nowMs);
      return { state: { ...state, keeping: { ...keeping, silent: keeping.silent + 1 } }, effects: [] };
    case "unready": {
      const sinceMs = keeping.unreadySinceMs ?? nowMs;
      if (nowMs - sinceMs >= UNREADY_MS) return end(state, "unready", nowMs);
      const news: readonly WatchEffect[] =
        keeping.unreadySinceMs === undefined ? [{ run: "tell", event: "watchdog.unready", because: "the agent says that it is not ready" }] : [];
      return { state: { ...state, keeping: { ...keeping, silent: 0, unreadySinceMs: sinceMs } }, effects: news };
    }
    default:
      return unreachable(answer);
  }
}

function end(state: Watch, because: Cause, nowMs: number): WatchTurn {
  return {
    state: { ...state, keeping: { at: "ending", killAtMs: nowMs + STOP_MS, because } },
    effects: [{ run: "tell", event: "watchdog.restarting", because }, { run: "term" }],
  };
}

function exited(state: Watch, nowMs: number, rng: Rng): WatchTurn {
  const { keeping } = state;
  if (keeping.at === "stopped" || keeping.at === "down") return { state, effects: [] };
  const because = keeping.at === "ending" ? keeping.because : "exited";
  if (because === "stopping") return { state: { ...state, keeping: { at: "stopped" }, lastCause: because }, effects: [] };
  const ranWell = keeping.at === "up" && nowMs - keeping.sinceMs >= STABLE_MS;
  const restarts = ranWell ? 1 : state.restarts + 1;
  const inMs = restarts > QUICK_RESTARTS_MAX ? Math.round(SLOW_MS * (0.9 + rng.next() / 5)) : Math.round(backoffMs(QUICK, restarts - 1, rng));
  return {
    state: { keeping: { at: "down", startAtMs: nowMs + inMs }, restarts, lastCause: because },
    effects: [{ run: "tell", event: "watchdog.child_ended", because, inMs }],
  };
}

function stop(state: Watch, nowMs: number): WatchTurn {
  const { keeping } = state;
  switch (keeping.at) {
    case "down":
    case "stopped":
      return { state: { ...state, keeping: { at: "stopped" } }, effects: [] };
    case "starting":
    case "up":
      return { state: { ...state, keeping: { at: "ending", killAtMs: nowMs + STOP_MS, because: "stopping" } }, effects: [{ run: "term" }] };
    case "ending":
      return { state: { ...state, keeping: { ...keeping, because: "stopping" } }, effects: [] };
    default:
      return unreachable(keeping);
  }
}
