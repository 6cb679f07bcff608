import { age, isoTime, parseDuration } from "../../../shared/cli/age.ts";
import type { Call } from "../../../shared/cli/command.ts";
import { Fault } from "../../../shared/core/fault.ts";
import type { SpecEdit } from "../../../shared/protocol/api/hosts.ts";
import { isUsableNatsUrl, NATS_URLS_MAX } from "../../../shared/protocol/nats-urls.ts";
import { heldText, SPEC_CLASSES, type SpecField } from "../../../shared/protocol/spec-classes.ts";
import type { HostSpec, Window } from "../../../shared/protocol/spec.ts";

/** Flags of `host spec` → the next spec, and the difference as lines. Pure; the agent clamps whatever comes to its own limits. */
export const PAUSE_MS_MAX = 30 * 86_400_000;
const DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"] as const;

export function isSpecEdit(options: Call["options"]): boolean {
  return ["mode", "pause", "resume", "interval", "fetch-window", "apply-window", "no-windows", "nats", "nats-url", "no-nats", "retire", "no-retire"].some(
    (name) => options[name] !== undefined,
  );
}

export function editOf(spec: HostSpec, options: Call["options"], nowMs: number): SpecEdit {
  const { mode, pause, resume, interval } = options;
  if (mode !== undefined && mode !== "enforce" && mode !== "monitor")
    throw new Fault("bad_request", `Cannot set the mode ${String(mode)}`, { remedy: "The modes are enforce and monitor." });
  if (pause !== undefined && resume === true) throw new Fault("bad_request", "Cannot pause and resume at once");
  const pausedUntil =
    typeof pause === "string"
      ? nowMs + durationOf(pause, { name: "pause", least: 60_000, most: PAUSE_MS_MAX })
      : resume === true
        ? undefined
        : spec.paused_until;
  const intervalS =
    typeof interval === "string" ? Math.round(durationOf(interval, { name: "interval", least: 60_000, most: 86_400_000 }) / 1_000) : spec.interval_s;
  const cleared = options["no-windows"] === true;
  const fetchWindows = windowsOf(options["fetch-window"]) ?? (cleared ? undefined : spec.fetch_windows);
  const applyWindows = windowsOf(options["apply-window"]) ?? (cleared ? undefined : spec.apply_windows);
  if (options["retire"] === true && options["no-retire"] === true) throw new Fault("bad_request", "Cannot retire the host and keep it at once");
  const retires = options["no-retire"] !== true && (options["retire"] === true || spec.retire === true);
  return {
    mode: mode ?? spec.mode,
    ...(pausedUntil === undefined ? {} : { paused_until: pausedUntil }),
    ...(intervalS === undefined ? {} : { interval_s: intervalS }),
    ...(fetchWindows === undefined ? {} : { fetch_windows: fetchWindows }),
    ...(applyWindows === undefined ? {} : { apply_windows: applyWindows }),
    ...natsOf(spec, options),
    ...(retires ? { retire: true } : {}),
  };
}

/** Fields of this edit that the box will hold back until somebody signs for them: by the table that is compiled into it. */
export function heldFields(before: HostSpec, after: SpecEdit): readonly SpecField[] {
  const classes: Readonly<Record<string, "safe" | "held">> = SPEC_CLASSES;
  const [old, next]: readonly Readonly<Record<string, unknown>>[] = [before, after];
  const names = Object.keys(SPEC_CLASSES) as readonly SpecField[];
  // Taking one back is none: what was not signed for was never in force, and a box that retired is gone.
  return names.filter((name) => classes[name] === "held" && next?.[name] !== undefined && heldText(old?.[name]) !== heldText(next[name]));
}

function natsOf({ nats }: HostSpec, options: Call["options"]): Pick<SpecEdit, "nats"> {
  const flag = options["nats-url"];
  const urls = typeof flag === "string" ? [flag] : Array.isArray(flag) ? flag.map(String) : undefined;
  if (options["no-nats"] === true) {
    if (urls !== undefined || options["nats"] === true) throw new Fault("bad_request", "Cannot attach to NATS and detach from it at once");
    return {};
  }
  const unusable = urls?.find((url) => !isUsableNatsUrl(url));
  if (unusable !== undefined || (urls?.length ?? 0) > NATS_URLS_MAX)
    throw new Fault("bad_request", `Cannot use ${unusable ?? "so many servers"} for NATS`, {
      remedy: `Name at most ${NATS_URLS_MAX} servers as tls://host:port; without TLS only on the box itself, as nats://127.0.0.1:port.`,
    });
  if (urls !== undefined) return { nats: { urls } };
  if (options["nats"] === true) return { nats: {} };
  return nats === undefined ? {} : { nats };
}

/** `mode  enforce → monitor`, only what differs. */
export function specDiff(before: HostSpec, after: SpecEdit, nowMs: number): readonly { readonly field: string; readonly from: string; readonly to: string }[] {
  const old = specFields(before, nowMs);
  return specFields(after, nowMs).flatMap(([field, to], at) => {
    const from = old[at]?.[1] ?? "";
    return from === to ? [] : [{ field, from, to }];
  });
}

export function specFields(
  spec: Pick<HostSpec, "mode" | "paused_until" | "interval_s" | "fetch_windows" | "apply_windows" | "nats" | "retire">,
  nowMs: number,
): readonly (readonly [string, string])[] {
  const paused = spec.paused_until;
  return [
    ["mode", spec.mode],
    ["paused", paused === undefined || paused <= nowMs ? "no" : `until ${isoTime(paused)} (${age(paused - nowMs)} more)`],
    ["interval", spec.interval_s === undefined ? "the fleet's" : age(spec.interval_s * 1_000)],
    ["fetch windows", windowsText(spec.fetch_windows)],
    ["apply windows", windowsText(spec.apply_windows)],
    ["NATS", spec.nats === undefined ? "no" : (spec.nats.urls?.join(", ") ?? "the hub's servers")],
    ["retire", spec.retire === true ? "yes: it leaves the fleet" : "no"],
  ];
}

export function windowsText(windows: readonly Window[] | undefined): string {
  return windows === undefined || windows.length === 0 ? "any time" : windows.map(({ days, from, to }) => `${daysText(days)} ${from}-${to}`).join(", ");
}

function daysText(days: readonly number[]): string {
  return days.length === 7 ? "daily" : days.map((day) => DAYS[day] ?? String(day)).join("+");
}

function windowsOf(flags: Call["options"][string]): Window[] | undefined {
  if (typeof flags === "string") return [windowOf(flags)];
  return Array.isArray(flags) ? flags.map((flag: string) => windowOf(flag)) : undefined;
}

/** `mon+tue 22:00-04:00`, `daily 02:00-05:00`. */
export function windowOf(text: string): Window {
  const match = /^(\S+)\s+([0-2]\d:[0-5]\d)-([0-2]\d:[0-5]\d)$/.exec(text.trim().toLowerCase());
  const [, dayText = "", from = "", to = ""] = match ?? [];
  const days = dayText === "daily" ? [0, 1, 2, 3, 4, 5, 6] : [...new Set(dayText.split("+").map((day) => DAYS.findIndex((known) => known === day)))];
  const hoursFit = from < "24" && to < "24";
  if (match === null || days.includes(-1) || !hoursFit || from === to)
    throw new Fault("bad_request", `Cannot read the window ${text}`, {
      remedy: 'Write it like "sat+sun 22:00-04:00" or "daily 02:00-05:00", in the box\'s own time.',
    });
  return { days: days.toSorted((a, b) => a - b), from, to };
}

function durationOf(text: string, bounds: { readonly name: string; readonly least: number; readonly most: number }): number {
  const ms = parseDuration(text);
  if (ms === undefined || ms < bounds.least || ms > bounds.most)
    throw new Fault("bad_request", `Cannot use the ${bounds.name} ${text}`, {
      remedy: `Write it as 90s, 10m, 6h or 2d, from ${age(bounds.least)} to ${age(bounds.most)}.`,
    });
  return ms;
}
