/**
 * How the fleet's NATS stands, asked of the server itself with the hub's own keys, hub running or not. An answer that does not come is
 * said as that: no stream is another thing than no answer.
 */
import { flatten, isFault } from "../../../shared/core/fault.ts";
import type { ConsumerStatus, StreamStatus } from "../../../shared/ports/bus.ts";
import type { World } from "../../../shared/ports/world.ts";
import { returnsStream } from "../../../shared/protocol/nats-subjects.ts";
import type { HubSettings } from "../../settings.ts";
import { connectWith } from "../nats/connect-hub.ts";
import { hasNatsKeys } from "../nats/keys.ts";
import { replicasWanted, underReplicated } from "../nats/stream.ts";

export type NatsLook =
  | { readonly is: "off" }
  | { readonly is: "unreachable"; readonly servers: readonly { readonly url: string; readonly because: string }[] }
  | {
      readonly is: "reached";
      readonly url: string;
      readonly server: string;
      readonly version: string;
      readonly cluster: string | null;
      /** Configured servers that did not answer. */
      readonly silent: readonly { readonly url: string; readonly because: string }[];
      readonly stream: StreamStatus | null;
      readonly consumers: readonly ConsumerStatus[];
      readonly replicasWanted: number;
      readonly warning: string | null;
    };

export async function lookAtNats(world: World, dataDir: string, nats: HubSettings["nats"], fleetId: string | null): Promise<NatsLook> {
  if (nats.urls.length === 0) return { is: "off" };
  const silent: { readonly url: string; readonly because: string }[] = [];
  if (!hasNatsKeys(world, dataDir) || fleetId === null)
    return { is: "unreachable", servers: nats.urls.map((url) => ({ url, because: "this hub has no keys for NATS yet, or no fleet" })) };
  const reached: NatsLook[] = [];
  for (const url of nats.urls) {
    try {
      const look = await lookAtServer(world, { dataDir, nats, fleetId, url });
      if (reached.length === 0) reached.push(look);
    } catch (error) {
      if (!isFault(error)) throw error;
      silent.push({ url, because: flatten(error) });
    }
  }
  const [first] = reached;
  return first?.is === "reached" ? { ...first, silent } : { is: "unreachable", servers: silent };
}

async function lookAtServer(
  world: World,
  { dataDir, nats, fleetId, url }: { readonly dataDir: string; readonly nats: HubSettings["nats"]; readonly fleetId: string; readonly url: string },
): Promise<NatsLook> {
  const bus = await connectWith(world, { dataDir, caPath: nats.caPath, fleetId, url });
  try {
    const status = await (await bus.streams()).status(returnsStream(fleetId));
    const { name, version, cluster } = bus.server;
    return {
      is: "reached",
      url,
      server: name,
      version,
      cluster: cluster ?? null,
      silent: [],
      stream: status?.stream ?? null,
      consumers: status?.consumers ?? [],
      replicasWanted: replicasWanted(nats.urls.length, status?.stream.replicas ?? 0),
      warning: status === undefined ? "the stream of returns is not there: a running hub makes it" : (underReplicated(status.stream, nats.urls.length) ?? null),
    };
  } finally {
    await bus.close();
  }
}
