/**
 * `felhom hub`: the parts of a hub and the order they start in. The store comes first and stops last; what follows reads it from the
 * slot. Everything that listens comes last, when all that it needs is there.
 */
import type { World } from "../shared/ports/world.ts";
import type { Service } from "../shared/service.ts";
import { LOOK_MS } from "./edge/care/limits-hit.ts";
import { loopService } from "./edge/care/loop-service.ts";
import { operatorServices } from "./edge/http/api/operator-services.ts";
import { httpService } from "./edge/http/service.ts";
import { TURN_MS } from "./edge/ops/jobs.ts";
import { LivenessCheck } from "./edge/liveness/check.ts";
import { natsService } from "./edge/nats/nats-service.ts";
import { Slot } from "./edge/slot.ts";
import { storeService } from "./edge/store/service.ts";
import { agentParts, type Agents } from "./edge/sync/agents.ts";
import { FLUSH_MS } from "./edge/sync/last-seen.ts";
import type { HubSettings } from "./settings.ts";

const WHEEL_MS = 250;

export function compose(settings: HubSettings, world: World): Service[] {
  const opened = new Slot<Agents>();
  const hub = () => opened.get().hub;
  const services: Service[] = [
    storeService(world, settings, opened, agentParts),
    livenessService(world, settings, opened),
    loopService(world, {
      name: "last-seen",
      everyMs: FLUSH_MS,
      failure: "sync.flush_failed",
      turn: () => opened.get().lastSeen.flush(),
      atStop: () => opened.get().lastSeen.flush(),
    }),
    loopService(world, { name: "courier", everyMs: WHEEL_MS, failure: "http.failed", turn: () => hub().courier.turn(world.clock.monoMs()) }),
    loopService(world, {
      name: "ops",
      everyMs: TURN_MS,
      failure: "ops.failed",
      turn: () => hub().jobs.turn(),
      metrics: () => opened.peek()?.hub.jobs.metrics() ?? [],
    }),
    loopService(world, { name: "limits", everyMs: LOOK_MS, failure: "sync.flush_failed", turn: () => opened.get().limitsHit.look() }),
    ...operatorServices(world, hub),
    natsService(world, settings, opened),
    httpService(world, settings, opened, () => services),
  ];
  return services;
}

function livenessService(world: World, settings: HubSettings, opened: Slot<Agents>): Service {
  // One per opened store: a hub that starts anew listens anew.
  const checks = new WeakMap<Agents, LivenessCheck>();
  const turn = async (): Promise<void> => {
    const agents = opened.get();
    const check = checks.get(agents) ?? new LivenessCheck(agents.hub);
    checks.set(agents, check);
    await check.run();
  };
  return loopService(world, { name: "liveness", everyMs: settings.liveness.checkMs, failure: "liveness.failed", turn });
}
