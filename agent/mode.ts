/**
 * What runs on a box: the resident agent as a list of services. It is kept small on purpose (a worker process does everything
 * that verifies, renders, executes or signs), and a test holds its import graph to that.
 */
import type { World } from "../shared/ports/world.ts";
import type { Service } from "../shared/service.ts";
import { Desk } from "./edge/desk.ts";
import { natsService } from "./edge/nats/nats-service.ts";
import { OpsDoor } from "./edge/ops/door.ts";
import { runnerService } from "./edge/schedule/runner-service.ts";
import { socketService } from "./edge/socket/socket-service.ts";
import { AgentStore } from "./edge/store/agent-store.ts";
import { storeService } from "./edge/store/store-service.ts";
import { fetchService } from "./edge/sync/fetch-service.ts";
import { linkService } from "./edge/sync/link-service.ts";
import { WorkerClient } from "./edge/worker/worker-client.ts";
import type { AgentSettings } from "./settings.ts";

/** In the order they start: nothing opens the database before the lock is held, and the socket tells only of what runs. */
export function compose(settings: AgentSettings, world: World): readonly Service[] {
  const desk = new Desk(world, settings, new AgentStore(world, settings.dataDir));
  const workers = new WorkerClient(world, settings.convergeTimeoutMs);
  const ops = new OpsDoor(world, desk, workers);
  const services: Service[] = [
    storeService(world, desk),
    // Before the runner: an op that outlived a crash keeps converge runs waiting.
    ops.service(),
    runnerService(world, desk, workers),
    linkService(world, desk, workers, ops),
    fetchService(world, desk, workers),
    natsService(world, desk, workers, ops),
  ];
  services.push(socketService(world, desk, ops, () => services));
  return services;
}
