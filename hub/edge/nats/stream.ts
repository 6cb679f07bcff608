/** The fleet's stream of returns: made when it is not there, with as many copies as the cluster can keep, at most three. */
import type { StreamStatus, StreamWanted, Streams } from "../../../shared/ports/bus.ts";
import { natsSubjects, returnsStream } from "../../../shared/protocol/nats-subjects.ts";

export const CONSUMER = "hub";
export const ACK_WAIT_MS = 30_000;
export const UNACKED_MAX = 5_000;
export const REPLICAS_MAX = 3;

const wanted = (fleetId: string, replicas: number): StreamWanted => ({
  name: returnsStream(fleetId),
  subjects: [natsSubjects(fleetId).everyReturn],
  // Three copies of it fit into the least disk that `nats-config` gives.
  bytesMax: 256 * 1024 ** 2,
  // The boxes keep what was not acknowledged; older copies are of no use to anybody.
  ageMsMax: 24 * 3_600_000,
  messageBytesMax: 256 * 1024,
  perSubjectMax: 2_000,
  replicas,
});

/** Also raises an existing stream to more copies when the cluster has grown. */
export async function ensureStream(streams: Streams, fleetId: string): Promise<StreamStatus> {
  for (let replicas = REPLICAS_MAX; replicas > 1; replicas -= 1) {
    const made = await streams.ensure(wanted(fleetId, replicas));
    if (made.is === "ready") return made.status;
  }
  const single = await streams.ensure(wanted(fleetId, 1));
  if (single.is !== "ready") throw new Error("Broken invariant: one server holds one copy");
  return single.status;
}

export const replicasWanted = (servers: number, got: number): number => Math.min(REPLICAS_MAX, Math.max(servers, got, 1));

/** In words, or undefined when all copies are there. */
export function underReplicated(status: StreamStatus, servers: number): string | undefined {
  const should = replicasWanted(servers, status.replicas);
  if (status.replicas < should) return `${status.name} keeps ${status.replicas} of ${should} copies`;
  return status.replicasCurrent < status.replicas ? `${status.replicasCurrent} of ${status.replicas} copies of ${status.name} are current` : undefined;
}
