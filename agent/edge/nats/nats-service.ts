/**
 * NATS on a box, as a service that the rest of the agent never waits for. While the spec names it and the hub has given credentials, the
 * client is loaded and an attachment runs in the background; otherwise this is a signal that nobody rings, and costs nothing. Ops and
 * answers go by sync whenever this does not stand.
 */
import type { Health } from "../../../shared/core/health.ts";
import type { Metric } from "../../../shared/core/metrics.ts";
import type { World } from "../../../shared/ports/world.ts";
import type { Service } from "../../../shared/service.ts";
import type { Desk } from "../desk.ts";
import type { OpsDoor } from "../ops/door.ts";
import type { WorkerClient } from "../worker/worker-client.ts";

/** Between two tries to renew at least. */
const RENEW_RING_MS = 10_000;

export function natsService(world: World, desk: Desk, workers: WorkerClient, ops: OpsDoor): Service {
  return {
    name: "nats",
    start: (stop) => Promise.resolve({ done: run(world, desk, workers, ops, stop) }),
    health: () => healthOf(desk),
    metrics: () => metricsOf(desk),
  };
}

async function run(world: World, desk: Desk, workers: WorkerClient, ops: OpsDoor, stop: AbortSignal): Promise<void> {
  while (!stop.aborted) {
    const { gift } = desk.nats;
    if (gift === undefined) {
      desk.nats.status = undefined;
      await desk.nats.news.next(stop);
      continue;
    }
    const { attach } = await import("./attach.ts");
    const over = new AbortController();
    const end = (): void => over.abort();
    stop.addEventListener("abort", end);
    const attached = attach(world, { desk, workers, ops, gift }, over.signal);
    // Until what it was given no longer holds: a new gift is another attachment.
    while (!over.signal.aborted && desk.nats.gift === gift) {
      const renewMs = Math.max(RENEW_RING_MS, desk.nats.renewInMs(world.clock.monoMs()) ?? 0);
      await desk.nats.news.within(renewMs, (ms, until) => world.clock.sleep(ms, until), over.signal);
      // A held sync would ask too late for credentials that live shorter than it is held.
      if (desk.nats.renewInMs(world.clock.monoMs()) === 0) desk.urgent.ring();
    }
    end();
    stop.removeEventListener("abort", end);
    await attached;
  }
}

function healthOf({ nats }: Desk): Health {
  if (!nats.isWanted || nats.status?.is === "attached") return { is: "healthy" };
  return { is: "degraded", because: `not attached to NATS: ${nats.status?.because ?? "the hub has given no credentials yet"}; operations come by sync` };
}

function metricsOf({ nats }: Desk): readonly Metric[] {
  if (!nats.isWanted) return [];
  return [
    { name: "felhom_agent_nats_attached", help: "1 while attached to NATS.", type: "gauge", samples: [{ value: nats.status?.is === "attached" ? 1 : 0 }] },
  ];
}
