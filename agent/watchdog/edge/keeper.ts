/**
 * Performs what core/verdict.ts decides: starts the agent as a child, looks at its readiness over the local socket, ends it in
 * bounded time. It shares no code with agent/edge, because it has to survive that code's bugs.
 */
import { isFault } from "../../../shared/core/fault.ts";
import type { Health } from "../../../shared/core/health.ts";
import type { Metric } from "../../../shared/core/metrics.ts";
import type { Child } from "../../../shared/ports/exec.ts";
import type { World } from "../../../shared/ports/world.ts";
import type { Service } from "../../../shared/service.ts";
import { isSlow, newWatch, PROBE_MS, STOP_MS, turn, type Watch, type WatchEffect, type WatchEvent } from "../core/verdict.ts";

export interface Places {
  readonly dataDir: string;
  readonly socketPath: string;
}

const PROBE_TIMEOUT_MS = 4_000;
const PROBE_BYTES_MAX = 64 * 1024;
const LOOK_MS = 1_000;
/**
 * Nothing of the environment goes along but this. The resident does nothing that a JIT would speed up, and without it needs some seven
 * megabytes less (measured); its workers get an environment of their own.
 */
const ENV = { BUN_JSC_useJIT: "0", PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", LANG: "C.UTF-8" } as const;

export function keeperService(world: World, places: Places): Service {
  const keeper = new Keeper(world, places);
  return { name: "keeper", start: (stop) => keeper.start(stop), health: () => keeper.health(), metrics: () => keeper.metrics() };
}

class Keeper {
  readonly #world: World;
  readonly #places: Places;
  #state: Watch;
  #child: Child | undefined;
  #probing = false;
  #probeDueMs = 0;
  #started = 0;

  constructor(world: World, places: Places) {
    this.#world = world;
    this.#places = places;
    this.#state = newWatch(world.clock.monoMs());
  }

  /** Two watchdogs on one data directory would each restart the other's agent: the second one gets `lock_held`. */
  start(stop: AbortSignal): Promise<{ readonly done: Promise<void> }> {
    makeDirs(this.#world, this.#places.dataDir);
    const lock = this.#world.files.lock("watchdog.lock", `${this.#places.dataDir}/watchdog.lock`);
    this.#state = newWatch(this.#world.clock.monoMs());
    return Promise.resolve({ done: this.#run(stop).finally(() => lock.release()) });
  }

  health(): Health {
    const { keeping, lastCause } = this.#state;
    if (isSlow(this.#state)) return { is: "degraded", because: `the agent keeps failing (${lastCause ?? "unknown"}): it is tried every ten minutes` };
    return keeping.at === "up" ? { is: "healthy" } : { is: "degraded", because: `the agent is ${keeping.at}` };
  }

  metrics(): readonly Metric[] {
    return [
      { name: "felhom_watchdog_starts_total", help: "Times the agent was started.", type: "counter", samples: [{ value: this.#started }] },
      { name: "felhom_watchdog_restarts_in_row", help: "Restarts since the agent last ran well.", type: "gauge", samples: [{ value: this.#state.restarts }] },
    ];
  }

  async #run(stop: AbortSignal): Promise<void> {
    const never = new AbortController().signal;
    while (!stop.aborted) {
      this.#rearm();
      this.#take({ on: "tick" });
      await this.#world.clock.sleep(LOOK_MS, stop);
    }
    this.#take({ on: "stop" });
    // Below what main.ts gives the watchdog as a whole: the child is killed at the end rather than left behind.
    const killAtMs = this.#world.clock.monoMs() + STOP_MS;
    while (this.#state.keeping.at !== "stopped") {
      if (this.#world.clock.monoMs() >= killAtMs) this.#child?.kill("KILL");
      await this.#world.clock.sleep(100, never);
    }
  }

  #take(event: WatchEvent): void {
    const { state, effects } = turn(this.#state, event, this.#world.clock.monoMs(), this.#world.rng);
    this.#state = state;
    for (const effect of effects) this.#perform(effect);
  }

  #perform(effect: WatchEffect): void {
    switch (effect.run) {
      case "start":
        this.#startChild();
        return;
      case "probe":
        this.#probe();
        return;
      case "term":
        this.#child?.kill("TERM");
        return;
      case "kill":
        this.#child?.kill("KILL");
        return;
      case "tell":
        this.#world.log.event(effect.event === "watchdog.child_started" ? "info" : "warn", effect.event, {
          because: effect.because,
          in_ms: effect.inMs,
          restarts: this.#state.restarts,
        });
    }
  }

  #startChild(): void {
    const [exe, ...rest] = this.#world.self.exe;
    const { dataDir, socketPath } = this.#places;
    this.#started += 1;
    this.#probeDueMs = this.#world.clock.monoMs() + LOOK_MS;
    try {
      const child = this.#world.exec.spawn("watchdog.start", {
        argv: [exe, ...rest, "agent", "--data-dir", dataDir, "--socket-path", socketPath],
        env: ENV,
        cwd: "/",
      });
      this.#child = child;
      void child.exited.then(() => {
        if (this.#child !== child) return;
        this.#child = undefined;
        this.#take({ on: "exited" });
      });
    } catch (error) {
      if (!isFault(error)) throw error;
      // No memory, no process slot, no binary: the same back-off as for an agent that ended at once.
      this.#world.log.event("error", "watchdog.child_ended", { because: error.code }, error);
      this.#take({ on: "exited" });
    }
  }

  /** One probe at a time, at its own pace. */
  #probe(): void {
    const nowMs = this.#world.clock.monoMs();
    if (this.#probing || nowMs < this.#probeDueMs) return;
    this.#probing = true;
    this.#probeDueMs = nowMs + (this.#state.keeping.at === "starting" ? LOOK_MS : PROBE_MS);
    const child = this.#child;
    void this.#ask().then((answer) => {
      this.#probing = false;
      if (this.#child === child && child !== undefined) this.#take({ on: "probed", answer });
    });
  }

  async #ask(): Promise<"ready" | "unready" | "silent"> {
    try {
      const { status } = await this.#world.net.request("watchdog.probe", {
        method: "GET",
        url: "http://agent/readyz",
        unix: this.#places.socketPath,
        timeoutMs: PROBE_TIMEOUT_MS,
        replyBytesMax: PROBE_BYTES_MAX,
      });
      return status === 200 ? "ready" : "unready";
    } catch (error) {
      if (isFault(error)) return "silent";
      throw error;
    }
  }

  /** A file says that the cause was mended: start at once and count from zero. */
  #rearm(): void {
    if (!isSlow(this.#state) && this.#state.keeping.at !== "down") return;
    try {
      if (this.#world.files.remove("watchdog.rearm", `${this.#places.dataDir}/watchdog.rearm`)) this.#take({ on: "rearmed" });
    } catch (error) {
      if (!isFault(error)) throw error;
    }
  }
}

function makeDirs(world: World, path: string): void {
  if (path === "/" || world.files.stat("watchdog.dir", path, { follow: true }) !== undefined) return;
  makeDirs(world, path.slice(0, Math.max(1, path.lastIndexOf("/"))));
  world.files.makeDir("watchdog.dir", path, path.includes("/felhom") ? 0o700 : 0o755);
}
