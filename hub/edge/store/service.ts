/** The store as a service: claims the data directory, opens and migrates, fills the slot; at the end closes and lets go. */
import type { Health } from "../../../shared/core/health.ts";
import type { Metric } from "../../../shared/core/metrics.ts";
import type { World } from "../../../shared/ports/world.ts";
import type { Service } from "../../../shared/service.ts";
import type { HubSettings } from "../../settings.ts";
import { sweepBlobTemps } from "../blobs/blob-files.ts";
import type { Slot } from "../slot.ts";
import { claimDataDir } from "../tls/data-dir.ts";
import { appendEvent } from "./events.ts";
import { openStore } from "./open.ts";
import type { Store } from "./store.ts";

export function storeService<T>(
  world: World,
  settings: HubSettings,
  opened: Slot<T>,
  build: (world: World, settings: HubSettings, store: Store) => Promise<T>,
): Service {
  const current = new Map<"store", Store>();
  return {
    name: "store",
    start: async (stop) => {
      const lock = claimDataDir(world, settings.dataDir);
      try {
        sweepBlobTemps(world, settings.dataDir);
        const store = openStore(world, settings.dataDir);
        current.set("store", store);
        opened.fill(await build(world, settings, store));
        await store.write("hub.started", (tx) => appendEvent(tx.db, { at: world.clock.wallMs(), kind: "hub.started", data: { version: world.self.version } }));
        return { done: untilStopped(store, stop, opened, lock) };
      } catch (error) {
        await current.get("store")?.close();
        lock.release();
        throw error;
      }
    },
    health: () => current.get("store")?.health() ?? ({ is: "unknown", because: "not open" } satisfies Health),
    metrics: () => metricsOf(current.get("store")),
  };
}

async function untilStopped(store: Store, stop: AbortSignal, opened: Slot<unknown>, lock: { release(): void }): Promise<void> {
  const stopped = new Promise<void>((resolve) => {
    if (stop.aborted) resolve();
    else stop.addEventListener("abort", () => resolve(), { once: true });
  });
  try {
    await Promise.race([stopped, store.broken]);
  } finally {
    opened.empty();
    await store.close();
    lock.release();
  }
}

function metricsOf(store: Store | undefined): readonly Metric[] {
  if (store === undefined) return [];
  const { writes, commits, failures } = store.counts();
  return [
    { name: "felhom_hub_writes_total", help: "Write bodies that became durable.", type: "counter", samples: [{ value: writes }] },
    { name: "felhom_hub_commits_total", help: "Transactions they were committed in.", type: "counter", samples: [{ value: commits }] },
    { name: "felhom_hub_commit_failures_total", help: "Transactions that failed.", type: "counter", samples: [{ value: failures }] },
    { name: "felhom_hub_writes_waiting", help: "Write bodies waiting now.", type: "gauge", samples: [{ value: store.waiting() }] },
  ];
}
