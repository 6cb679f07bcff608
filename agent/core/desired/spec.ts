/**
 * What a box makes of a desired spec that came through the hub. It is unsigned, so the worst a hostile hub can do with it must
 * be harmless: each field is clamped to this box's own limits, and each change is classed. What sets pace and mode of enforcing,
 * never what is enforced, is `safe`. What destroys something is `held`, with the rest of its generation in force, until a signed op
 * names exactly this difference. Never: code, keys, trust.
 */
import { usableNatsUrls } from "../../../shared/protocol/nats-urls.ts";
import { heldText, type HeldField, SPEC_CLASSES, type SpecField } from "../../../shared/protocol/spec-classes.ts";
import type { HostSpec, Window } from "../../../shared/protocol/spec.ts";

export const PAUSE_MS_MAX = 30 * 24 * 3_600_000;
export const INTERVAL_S_MIN = 60;
export const INTERVAL_S_MAX = 86_400;
export const WINDOWS_MAX = 32;

export interface SpecChange {
  readonly field: SpecField;
  readonly class: "safe" | "held";
  /** The offered value was outside this box's limits and was clamped. */
  readonly clamped: boolean;
}

export type SpecVerdict =
  | { readonly take: true; readonly spec: HostSpec; readonly changes: readonly SpecChange[]; readonly held: Readonly<Record<string, HeldField>> }
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
  const clamped = clampSpec(offered, nowMs);
  const changes = changesOf(current, offered, clamped);
  const fields = changes.filter((change) => change.class === "held").map(({ field }) => field);
  const held = Object.fromEntries(fields.map((field) => [field, { from: heldText(current?.[field]), to: heldText(clamped[field]) }]));
  return { take: true, spec: keeping(clamped, current, fields), changes, held };
}

/** The offered spec with these fields as they are now. */
function keeping(offered: HostSpec, current: HostSpec | undefined, fields: readonly SpecField[]): HostSpec {
  if (!fields.includes("retire")) return offered;
  const { retire: _held, ...rest } = offered;
  return current?.retire === undefined ? rest : { ...rest, retire: current.retire };
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
    ...(offered.retire === true ? { retire: true } : {}),
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
  const fields = Object.keys(SPEC_CLASSES) as readonly SpecField[];
  return fields
    .filter((field) => JSON.stringify(current?.[field]) !== JSON.stringify(taken[field]))
    .map((field) => ({ field, class: SPEC_CLASSES[field], clamped: JSON.stringify(offered[field]) !== JSON.stringify(taken[field]) }));
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
