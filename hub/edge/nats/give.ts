/** What a sync reply tells a box that asked how to attach to NATS. Nothing, when its spec does not name NATS or this hub has none. */
import { hostSpec } from "../../../shared/protocol/spec.ts";
import type { SyncReply } from "../../../shared/protocol/sync.ts";
import type { Hub } from "../hub.ts";
import { findHost } from "../store/hosts.ts";
import type { HostEntry } from "../sync/host-table.ts";
import { issueForHost, sealForHost } from "./credentials.ts";
import { hasNatsKeys, natsKeys } from "./keys.ts";
import { natsCaPem } from "./server-config.ts";

export async function natsGift(hub: Hub, entry: HostEntry): Promise<string | undefined> {
  const { world, settings, store, fleet } = hub;
  const fleetId = fleet.root?.payload.fleet_id;
  if (fleetId === undefined || entry.revoked || !hasNatsKeys(world, settings.dataDir)) return undefined;
  const host = await store.read((db) => findHost(db, entry.hostId));
  if (host === undefined || host.state === "revoked") return undefined;
  const { nats } = hostSpec.parse(JSON.parse(host.spec));
  const urls = nats === undefined ? [] : (nats.urls ?? settings.nats.urls);
  if (urls.length === 0) return undefined;
  const issued = issueForHost(world, natsKeys(world, settings.dataDir), { fleetId, hostId: entry.hostId }, settings.nats.tokenMs);
  const caPem = natsCaPem(world, settings.dataDir, settings.nats.caPath);
  const sealed = await sealForHost(world, host.box_key, { ...issued, ...(caPem === undefined ? {} : { caPem }) });
  const gift: NonNullable<SyncReply["nats"]> = {
    urls: [...urls],
    sealed_credentials: sealed,
    expires_at: issued.expiresAtMs,
    lifetime_ms: settings.nats.tokenMs,
  };
  return JSON.stringify(gift);
}
