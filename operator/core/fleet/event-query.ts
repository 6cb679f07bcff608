import { parseDuration } from "../../../shared/cli/age.ts";
import { Fault } from "../../../shared/core/fault.ts";
import { EVENT_KINDS } from "../../../shared/protocol/api/fleet.ts";
import { didYouMean } from "../cli/did-you-mean.ts";

/** Filters of `event list`, `event follow` and `audit`, checked before the hub is asked. */
export const EVENTS_SHOWN = 50;
/** With `--since` everything since then is meant: up to as much as may be asked for at all. */
export const LIMIT_MAX = 100_000;

export function readLimit(asked: string | undefined, usual = EVENTS_SHOWN): number {
  if (asked === undefined) return usual;
  const limit = /^\d{1,6}$/.test(asked) ? Number(asked) : 0;
  if (limit < 1 || limit > LIMIT_MAX) throw new Fault("bad_request", `Cannot show ${asked} lines`, { remedy: `--limit takes 1 to ${LIMIT_MAX}.` });
  return limit;
}

/** `host.down,host.stale`, or `host` for all of `host.*`. */
export function readKinds(asked: readonly string[]): string | undefined {
  const wanted = asked.flatMap((list) => list.split(",")).filter((kind) => kind !== "");
  if (wanted.length === 0) return undefined;
  const kinds = wanted.flatMap((kind) => {
    const known = EVENT_KINDS.filter((candidate) => candidate === kind || candidate.startsWith(`${kind}.`));
    if (known.length > 0) return known;
    const guesses = didYouMean(kind, EVENT_KINDS);
    throw new Fault("bad_request", `Cannot filter by ${kind}: no such kind of event`, {
      remedy: guesses.length > 0 ? `Did you mean ${guesses.join(" or ")}?` : `Kinds: ${EVENT_KINDS.join(", ")}.`,
    });
  });
  return [...new Set(kinds)].join(",");
}

const TIME = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?(?<zone>Z|[+-]\d{2}:\d{2})?)?$/;

/** `2h` or `3d` before now, or a time as every list prints them: UTC where it names no zone. */
export function readSince(asked: string | undefined, nowMs: number): number | undefined {
  if (asked === undefined) return undefined;
  const durationMs = parseDuration(asked);
  if (durationMs !== undefined) return Math.max(0, nowMs - durationMs);
  const match = TIME.exec(asked);
  const at = match === null ? Number.NaN : Date.parse(asked.includes("T") && match.groups?.["zone"] === undefined ? `${asked}Z` : asked);
  if (Number.isNaN(at)) throw new Fault("bad_request", `Cannot begin at ${asked}: no such time`, { remedy: "--since takes 2h, 3d or 2026-11-20T08:00Z." });
  return at;
}
