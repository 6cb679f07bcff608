/** The first service: the data directory is safe and ours alone, the database is open, this start is counted. */
import { base32 } from "../../../shared/core/bytes.ts";
import { isFault } from "../../../shared/core/fault.ts";
import type { Health } from "../../../shared/core/health.ts";
import type { Metric } from "../../../shared/core/metrics.ts";
import { removeStaleTemps } from "../../../shared/edge/durable-write.ts";
import type { World } from "../../../shared/ports/world.ts";
import type { Service } from "../../../shared/service.ts";
import { paths } from "../../core/desired/paths.ts";
import { untilStopped } from "../../../shared/core/signal.ts";
import type { Desk } from "../desk.ts";
import { readCounter, writeCounter } from "./counters.ts";
import { prepareDataDir } from "./data-dir.ts";

export function storeService(world: World, desk: Desk): Service {
  const at = paths(desk.settings.dataDir);
  let health: Health = { is: "unknown", because: "not started" };
  return {
    name: "store",
    start: async (stop) => {
      prepareDataDir(world.files, world.self, desk.settings.dataDir);
      const lock = world.files.lock("datadir.lock", at.lock);
      try {
        // Not the identity directory: an enrollment may be writing there, and sweeps it itself.
        removeStaleTemps(world.files, "datadir.sweep", desk.settings.dataDir);
        desk.store.open();
        desk.run = desk.store.use((database) => {
          const run = readCounter(database, "run") + 1;
          writeCounter(database, "run", run);
          return run;
        });
        desk.bootId = readBootId(world);
        desk.startedMs = world.clock.wallMs();
        health = { is: "healthy" };
      } catch (error) {
        desk.store.close();
        lock.release();
        throw error;
      }
      return { done: untilStopped(stop).then(() => (desk.store.close(), lock.release())) };
    },
    health: () => (desk.store.quarantines === 0 ? health : { is: "degraded", because: "agent.db was damaged: it was moved aside and begun anew" }),
    metrics: () => metrics(desk),
  };
}

function metrics(desk: Desk): readonly Metric[] {
  const { rows, bytes, parked } = desk.outbox();
  const dropped = desk.store.use((database) => readCounter(database, "dropped_rows"));
  return [
    { name: "felhom_agent_starts_total", help: "Starts on this data directory.", type: "counter", samples: [{ value: desk.run }] },
    { name: "felhom_agent_outbox_rows", help: "Rows waiting for the hub.", type: "gauge", samples: [{ value: rows }] },
    { name: "felhom_agent_outbox_bytes", help: "Bytes waiting for the hub.", type: "gauge", samples: [{ value: bytes }] },
    { name: "felhom_agent_outbox_parked_rows", help: "Rows that the hub refuses and that are kept.", type: "gauge", samples: [{ value: parked }] },
    { name: "felhom_agent_outbox_dropped_total", help: "Rows dropped for want of space.", type: "counter", samples: [{ value: dropped }] },
    {
      name: "felhom_agent_db_quarantines_total",
      help: "Damaged databases moved aside by this process.",
      type: "counter",
      samples: [{ value: desk.store.quarantines }],
    },
  ];
}

/** The kernel's own id of this boot. Two at once on one identity mean a cloned box; where there is none, one of this process. */
function readBootId(world: World): string {
  try {
    const id = new TextDecoder().decode(world.files.read("bootid.read", "/proc/sys/kernel/random/boot_id", { bytesMax: 256 })).trim();
    if (/^[a-z0-9][a-z0-9-]{0,63}$/.test(id)) return id;
  } catch (error) {
    if (!isFault(error)) throw error;
  }
  return `p-${base32(world.crypto.randomBytes(10))}`;
}
