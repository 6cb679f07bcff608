/**
 * How a connection to one of several bus servers is kept, for hub and agent alike: which server next, how long to wait, when a failure
 * counts as a new one. Pure. Every path to a connect but the first one sleeps, with full jitter, and is said in the log; what went well
 * for a while forgives the failures before it.
 */
import type { Rng } from "../ports/rng.ts";
import { assert } from "./assert.ts";
import { type Backoff, backoffMs } from "./backoff.ts";

/** A NATS server that restarts meets its clients spread over two seconds first, then further apart. */
export const BUS_BACKOFF: Backoff = { firstMs: 2_000, maxMs: 120_000 };
/** A connection that ended sooner is a failure like one that never stood. */
export const STEADY_MS = 30_000;

export interface BusLink {
  readonly urls: number;
  readonly urlAt: number;
  /** In a row. */
  readonly failures: number;
  readonly phase: { readonly at: "idle" } | { readonly at: "connecting" } | { readonly at: "up"; readonly sinceMs: number } | { readonly at: "waiting" };
}

export type BusLinkEvent =
  /** The first step, and the end of every wait. */
  { readonly on: "due" } | { readonly on: "connected" } | { readonly on: "failed"; readonly code: string } | { readonly on: "ended"; readonly code: string };

export type BusLinkEffect =
  | { readonly run: "connect"; readonly urlAt: number }
  | { readonly run: "sleep"; readonly ms: number }
  | { readonly run: "log"; readonly event: "nats.up" | "nats.down"; readonly because?: string };

export interface BusLinkTurn {
  readonly link: BusLink;
  readonly effects: readonly BusLinkEffect[];
}

export function newBusLink(urls: number): BusLink {
  assert(urls > 0, "a bus link has somewhere to go");
  return { urls, urlAt: 0, failures: 0, phase: { at: "idle" } };
}

export function turnBusLink(link: BusLink, event: BusLinkEvent, nowMonoMs: number, rng: Rng): BusLinkTurn {
  switch (event.on) {
    case "due":
      return { link: { ...link, phase: { at: "connecting" } }, effects: [{ run: "connect", urlAt: link.urlAt }] };
    case "connected":
      return { link: { ...link, phase: { at: "up", sinceMs: nowMonoMs } }, effects: [{ run: "log", event: "nats.up" }] };
    case "failed":
      return waitAfter(link, link.failures, event.code, rng);
    case "ended": {
      const isSteady = link.phase.at === "up" && nowMonoMs - link.phase.sinceMs >= STEADY_MS;
      return waitAfter(link, isSteady ? 0 : link.failures, event.code, rng);
    }
  }
}

function waitAfter(link: BusLink, failures: number, code: string, rng: Rng): BusLinkTurn {
  const ms = backoffMs(BUS_BACKOFF, failures, rng);
  assert(ms > 0, "every path to the next connect sleeps");
  return {
    link: { ...link, urlAt: (link.urlAt + 1) % link.urls, failures: failures + 1, phase: { at: "waiting" } },
    effects: [
      { run: "log", event: "nats.down", because: code },
      { run: "sleep", ms },
    ],
  };
}
