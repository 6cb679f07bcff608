import { backoffMs } from "./core/backoff.ts";
import { isFault } from "./core/fault.ts";
import type { Check } from "./core/health.ts";
import type { Clock } from "./ports/clock.ts";
import type { World } from "./ports/world.ts";
import type { Service } from "./service.ts";

/**
 * Runs a process's services: starts them in order, restarts one that dies (with back-off), gives the process up when one
 * keeps dying or the disk cannot be trusted, and stops them in reverse, each within a bound. Nothing is ever silently gone.
 */

const RESTART_BACKOFF = { firstMs: 500, maxMs: 30_000 };
const DEATHS_MAX = 5;
const DEATHS_WINDOW_MS = 600_000;
/** For services that only have to let go. A role whose work must not be cut says so by a longer bound. */
const STOP_MS = 10_000;

export type Ended = { readonly because: "stopped" } | { readonly because: "failed"; readonly service: string; readonly error: unknown };

export async function supervise(services: readonly Service[], world: World, stop: AbortSignal, stopMs: number = STOP_MS): Promise<Ended> {
  const log = world.log.for("supervisor");
  const failed = Promise.withResolvers<Ended>();
  const stopped = new Promise<Ended>((resolve) => {
    if (stop.aborted) resolve({ because: "stopped" });
    else stop.addEventListener("abort", () => resolve({ because: "stopped" }), { once: true });
  });
  const running: { readonly service: Service; readonly cancel: AbortController; readonly ended: Promise<void> }[] = [];

  for (const service of services) {
    if (stop.aborted) break;
    const cancel = new AbortController();
    const first = Promise.withResolvers<boolean>();
    const ended = keep(service, cancel.signal, world, first.resolve).then(undefined, (error: unknown) => {
      // The last line that an operator reads of a process that did not come up: what to run next belongs in it.
      const next = isFault(error) && error.remedy !== undefined ? { next: error.remedy } : {};
      log.event("error", "process.failed", { service: service.name, ...next }, error);
      failed.resolve({ because: "failed", service: service.name, error });
      first.resolve(false);
    });
    running.push({ service, cancel, ended });
    const up = await Promise.race([first.promise, stopped.then(() => false)]);
    if (!up) break;
  }

  const ending = await Promise.race([failed.promise, stopped]);
  log.event("info", "process.stopping", {});
  for (const { service, cancel, ended } of running.toReversed()) {
    cancel.abort();
    const inTime = await within(ended, stopMs, world.clock);
    log.event(inTime ? "info" : "warn", "service.stopped", { service: service.name, in_time: inTime });
  }
  log.event("info", "process.stopped", {});
  return ending;
}

/** Keeps one service alive until `stop`. Rejects when it cannot be kept. `started` is told once it first runs. */
async function keep(service: Service, stop: AbortSignal, world: World, started: (up: boolean) => void): Promise<void> {
  const log = world.log.for("supervisor");
  const rng = world.rng.fork(`supervise/${service.name}`);
  const deaths: number[] = [];
  let hasRun = false;
  while (!stop.aborted) {
    try {
      const { done } = await service.start(stop);
      log.event("info", hasRun ? "service.restarted" : "service.started", { service: service.name });
      hasRun = true;
      started(true);
      await done;
      if (stop.aborted) return;
      log.event("error", "service.died", { service: service.name });
    } catch (error) {
      // A first start that fails is a wrong setting or a held lock, and an fsync that failed cannot be retried: no restart mends those.
      if (!hasRun || isFault(error, "disk_failed") || isFault(error, "lock_held") || isFault(error, "left_fleet")) throw error;
      if (stop.aborted) return;
      log.event("error", "service.died", { service: service.name }, error);
    }
    const nowMs = world.clock.monoMs();
    deaths.push(nowMs);
    const recent = deaths.filter((atMs) => nowMs - atMs < DEATHS_WINDOW_MS).length;
    if (recent >= DEATHS_MAX) throw new Error(`Cannot keep ${service.name} running: it died ${recent} times in ten minutes`);
    await world.clock.sleep(backoffMs(RESTART_BACKOFF, recent - 1, rng), stop);
  }
}

async function within(ended: Promise<void>, ms: number, clock: Clock): Promise<boolean> {
  const cancel = new AbortController();
  const inTime = await Promise.race([ended.then(() => true), clock.sleep(ms, cancel.signal).then(() => false)]);
  cancel.abort();
  return inTime;
}

/** What `/readyz`, `status` and `doctor` read. */
export function checksOf(services: readonly Service[]): readonly Check[] {
  return services.map((service) => ({ name: service.name, health: service.health() }));
}
