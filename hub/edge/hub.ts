/**
 * What every part of a running hub shares. Made by the store service once the database is open (`mode.ts`), handed to routes
 * and services as an argument. The memory here is a cache of the database, except where `HostTable` says otherwise.
 */
import type { HubSettings } from "../settings.ts";
import type { World } from "../../shared/ports/world.ts";
import type { Jobs } from "./ops/jobs.ts";
import type { NatsCarrier } from "./nats/carrier.ts";
import type { Store } from "./store/store.ts";
import type { Courier } from "./sync/courier.ts";
import type { Fleet } from "./sync/fleet.ts";
import type { HostTable } from "./sync/host-table.ts";

export interface Hub {
  readonly world: World;
  readonly settings: HubSettings;
  readonly store: Store;
  /** The newest root, bundle and epoch. Whoever stores a newer one says so here after its commit; held syncs wake. */
  readonly fleet: Fleet;
  /** Every host with what is only in memory: last contact, what it holds, metrics. */
  readonly hosts: HostTable;
  /** Held syncs. */
  readonly courier: Courier;
  /** What boxes are asked to do, and how far it is. */
  readonly jobs: Jobs;
  /** Who is reached over NATS. Without NATS: nobody. */
  readonly carrier: NatsCarrier;
  readonly startedWallMs: number;
  readonly startedMonoMs: number;
}
