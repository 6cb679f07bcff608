import { Fault } from "../../../shared/core/fault.ts";
import { EVENT_KINDS } from "../../../shared/protocol/api/fleet.ts";
import { didYouMean } from "../cli/did-you-mean.ts";

/** Filters of `event list` and `event follow`, checked before the hub is asked. */
export const EVENTS_SHOWN = 50;
const LIMIT_MAX = 100_000;

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
