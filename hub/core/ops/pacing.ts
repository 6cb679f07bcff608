/**
 * Which hosts go when. The order is drawn from a seed, so that one command can be repeated; canaries are a batch of their own, the
 * first. Pacing is the courier's and unsigned: it can only delay.
 */
import { sha256Hex } from "../../../shared/core/sha256.ts";
import { utf8 } from "../../../shared/core/bytes.ts";
import type { Pacing } from "../../../shared/protocol/api/ops.ts";

export interface Placed {
  readonly hostId: string;
  /** From 0; those of batch 0 go at once. */
  readonly batch: number;
}

export interface Placing {
  readonly placed: readonly Placed[];
  readonly batches: number;
  /** Batch 0 are canaries: the rest follows only when all of them returned. */
  readonly canaries: boolean;
}

export function placeHosts(hostIds: readonly string[], pacing: Pacing | undefined): Placing {
  const wanted = new Set<string>(pacing?.canaries);
  const first = hostIds.filter((id) => wanted.has(id));
  const canaries = first.length > 0 && first.length < hostIds.length;
  const rest = shuffled(canaries ? hostIds.filter((id) => !wanted.has(id)) : hostIds, pacing?.seed);
  const size = pacing?.batch ?? Number.POSITIVE_INFINITY;
  const shift = canaries ? 1 : 0;
  const placed = rest.map((hostId, at) => ({ hostId, batch: shift + Math.floor(at / size) }));
  const batches = shift + (rest.length === 0 ? 0 : Math.floor((rest.length - 1) / size) + 1);
  return { placed: canaries ? [...first.map((hostId) => ({ hostId, batch: 0 })), ...placed] : placed, batches, canaries };
}

/** By the hash of seed and id: the same on every machine, and not in the hands of who chose the names. Without a seed, by id. */
function shuffled(hostIds: readonly string[], seed: string | undefined): readonly string[] {
  if (seed === undefined) return hostIds.toSorted();
  return hostIds
    .map((id) => ({ id, rank: sha256Hex(utf8(`${seed} ${id}`)) }))
    .toSorted((a, b) => (a.rank < b.rank ? -1 : 1))
    .map(({ id }) => id);
}
