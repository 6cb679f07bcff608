import type { Health } from "../../../shared/core/health.ts";
import type { Metric } from "../../../shared/core/metrics.ts";
import type { LogEvent } from "../../../shared/core/log-event.ts";
import type { World } from "../../../shared/ports/world.ts";
import type { Service } from "../../../shared/service.ts";

/**
 * Something done again and again until the hub stops, and once more then if it says so. A turn that fails is logged, shows as
 * degraded, and is tried again at the next: what it did not do is still to do.
 */
export function loopService(
  world: World,
  loop: {
    readonly name: string;
    readonly everyMs: number;
    readonly failure: LogEvent;
    turn(): void | Promise<void>;
    atStop?(): void | Promise<void>;
    metrics?(): readonly Metric[];
  },
): Service {
  let health: Health = { is: "unknown", because: "not started" };
  const turn = async (what: () => void | Promise<void>): Promise<void> => {
    try {
      await what();
      health = { is: "healthy" };
    } catch (error) {
      health = { is: "degraded", because: error instanceof Error ? error.message : String(error) };
      world.log.event("warn", loop.failure, {}, error);
    }
  };
  const run = async (stop: AbortSignal): Promise<void> => {
    for (;;) {
      await world.clock.sleep(loop.everyMs, stop);
      if (stop.aborted) break;
      await turn(() => loop.turn());
    }
    if (loop.atStop !== undefined) await turn(() => loop.atStop?.());
  };
  return {
    name: loop.name,
    start: async (stop) => {
      health = { is: "healthy" };
      return { done: run(stop) };
    },
    health: () => health,
    metrics: () => loop.metrics?.() ?? [],
  };
}
