/**
 * What a box makes of a desired spec that came through the hub. It is unsigned, so the worst a hostile hub can do with it must
 * be harmless: each field is clamped to this box's own limits, and each change is classed. Everything in a version 1 spec is
 * `safe` (pace and mode of enforcing, never what is enforced); a later field that destroys something is `held` here until a
 * signed op allows it. Never: code, keys, trust.
 */
import { usableNatsUrls } from "../../../shared/protocol/nats-urls.ts";
import type { HostSpec, Window } from "../../../shared/protocol/spec.ts";

export const PAUSE_MS_MAX = 30 * 24 * 3_600_000;
export const INTERVAL_S_MIN = 60;
export const INTERVAL_S_MAX = 86_400;
export const WINDOWS_MAX = 32;

export type SpecField = "mode" | "paused_until" | "interval_s" | "fetch_windows" | "apply_windows" | "nats";
const CLASS_OF = {
  mode: "safe",
  paused_until: "safe",
  interval_s: "safe",
  fetch_windows: "safe",
  apply_windows: "safe",
  nats: "safe",
} as const satisfies Record<SpecField, "safe" | "held">;

export interface SpecChange {
  readonly field: SpecField;
  readonly class: "safe" | "held";
  /** The offered value was outside this box's limits and was clamped. */
  readonly clamped: boolean;
}

export type SpecVerdict =
  | { readonly take: true; readonly spec: HostSpec; readonly changes: readonly SpecChange[] }
  | { readonly take: false; readonly why: "other_host" | "not_newer" };

/** A hub restored from a backup goes on from the highest generation a box reports, so "newer" never needs an exception. */
export interface SpecOffer {
  readonly current: HostSpec | undefined;
  readonly offered: HostSpec;
  readonly hostId: string;
  readonly nowMs: number;
}

export function judgeSpec({ current, offered, hostId, nowMs }: SpecOffer): SpecVerdict {
  if (offered.host_id !== hostId) return { take: false, why: "other_host" };
  if (current !== undefined && offered.generation <= current.generation) return { take: false, why: "not_newer" };
  const spec = clampSpec(offered, nowMs);
  return { take: true, spec, changes: changesOf(current, offered, spec) };
}

/** Known fields only, each within bounds. */
export function clampSpec(offered: HostSpec, nowMs: number): HostSpec {
  const pausedUntil = offered.paused_until === undefined || offered.paused_until <= nowMs ? undefined : Math.min(offered.paused_until, nowMs + PAUSE_MS_MAX);
  return {
    v: 1,
    host_id: offered.host_id,
    generation: offered.generation,
    mode: offered.mode,
    ...(pausedUntil === undefined ? {} : { paused_until: pausedUntil }),
    ...(offered.interval_s === undefined ? {} : { interval_s: Math.min(INTERVAL_S_MAX, Math.max(INTERVAL_S_MIN, offered.interval_s)) }),
    ...(offered.fetch_windows === undefined ? {} : { fetch_windows: offered.fetch_windows.slice(0, WINDOWS_MAX) }),
    ...(offered.apply_windows === undefined ? {} : { apply_windows: offered.apply_windows.slice(0, WINDOWS_MAX) }),
    ...natsOf(offered),
  };
}

/** A place to connect to, with TLS unless it is this very machine. Named servers of which none is usable name nothing. */
function natsOf({ nats }: HostSpec): Pick<HostSpec, "nats"> {
  if (nats === undefined) return {};
  if (nats.urls === undefined) return { nats: {} };
  const urls = usableNatsUrls(nats.urls);
  return urls.length === 0 ? {} : { nats: { urls: [...urls] } };
}

function changesOf(current: HostSpec | undefined, offered: HostSpec, taken: HostSpec): readonly SpecChange[] {
  const fields = Object.keys(CLASS_OF) as readonly SpecField[];
  return fields
    .filter((field) => JSON.stringify(current?.[field]) !== JSON.stringify(taken[field]))
    .map((field) => ({ field, class: CLASS_OF[field], clamped: JSON.stringify(offered[field]) !== JSON.stringify(taken[field]) }));
}

/** Local wall-clock time of the box. */
export interface LocalTime {
  /** 0 is Sunday. */
  readonly day: number;
  readonly minute: number;
}

/** No windows means always. A window that ends before it starts passes midnight and belongs to the day it began on; equal ends are the whole day. */
export function isInWindow(windows: readonly Window[] | undefined, at: LocalTime): boolean {
  if (windows === undefined || windows.length === 0) return true;
  return windows.some(({ days, from, to }) => {
    const start = minuteOf(from);
    const end = minuteOf(to);
    if (start < end) return days.includes(at.day) && at.minute >= start && at.minute < end;
    return (days.includes(at.day) && at.minute >= start) || (days.includes((at.day + 6) % 7) && at.minute < end);
  });
}

function minuteOf(daily: string): number {
  return Number(daily.slice(0, 2)) * 60 + Number(daily.slice(3, 5));
}

/** How a run has to behave now. Outside an apply window, and while paused, a box looks and reports but changes nothing. */
export function modeNow(spec: HostSpec | undefined, nowMs: number, at: LocalTime): "enforce" | "monitor" | "paused" {
  if (spec === undefined) return "enforce";
  if (spec.paused_until !== undefined && spec.paused_until > nowMs) return "paused";
  if (spec.mode === "monitor" || !isInWindow(spec.apply_windows, at)) return "monitor";
  return "enforce";
}
