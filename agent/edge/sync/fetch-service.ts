/**
 * Brings a candidate's files to the box: a few at a time, resumed where they were cut, never more bytes than the signed
 * manifest says, never into the last reserve of the disk, and only inside a fetch window. What was fetched is staged by a
 * worker, which hashes everything again before it believes any of it.
 */
import { backoffMs } from "../../../shared/core/backoff.ts";
import { isFault } from "../../../shared/core/fault.ts";
import type { Health } from "../../../shared/core/health.ts";
import type { World } from "../../../shared/ports/world.ts";
import { localTime } from "../../../shared/edge/local-time.ts";
import type { Service } from "../../../shared/service.ts";
import { isInWindow } from "../../core/desired/spec.ts";
import type { BlobRef } from "../../core/worker/messages.ts";
import type { Desk } from "../desk.ts";
import type { WorkerClient } from "../worker/worker-client.ts";
import { fetchBlob } from "./blob-fetch.ts";
import { pinsOf } from "./link-service.ts";

const FETCH_BACKOFF = { firstMs: 2_000, maxMs: 300_000 };
const REPAIR_BACKOFF = { firstMs: 30_000, maxMs: 60 * 60_000 };
/** Outside a window: how often the clock is looked at. */
const WINDOW_CHECK_MS = 60_000;
const PARALLEL_MAX = 4;

export function fetchService(world: World, desk: Desk, workers: WorkerClient): Service {
  const fetcher = new Fetcher(world, desk, workers);
  return { name: "fetch", start: (stop) => Promise.resolve({ done: fetcher.run(stop) }), health: () => fetcher.health(), metrics: () => fetcher.metrics() };
}

class Fetcher {
  readonly #world: World;
  readonly #desk: Desk;
  readonly #workers: WorkerClient;
  #trouble: string | undefined;
  #failures = 0;
  #bytes = 0;
  #repairs = { version: 0, count: 0, notBeforeMs: 0 };

  constructor(world: World, desk: Desk, workers: WorkerClient) {
    this.#world = world;
    this.#desk = desk;
    this.#workers = workers;
  }

  async run(stop: AbortSignal): Promise<void> {
    while (!stop.aborted) {
      const candidate = this.#desk.held?.candidate ?? 0;
      if (candidate === 0) {
        this.#trouble = undefined;
        this.#failures = 0;
        await this.#desk.fetch.next(stop);
        continue;
      }
      const pauseMs = this.#repairs.version === candidate ? this.#repairs.notBeforeMs - this.#world.clock.monoMs() : 0;
      if (pauseMs > 0) {
        await this.#world.clock.sleep(pauseMs, stop);
        continue;
      }
      const waitMs = this.#mayFetch() ? await this.#bring(candidate, stop) : WINDOW_CHECK_MS;
      if (waitMs > 0) await this.#desk.fetch.within(waitMs, (ms, until) => this.#world.clock.sleep(ms, until), stop);
    }
  }

  health(): Health {
    const candidate = this.#desk.held?.candidate ?? 0;
    return this.#trouble === undefined || candidate === 0
      ? { is: "healthy" }
      : { is: "degraded", because: `bundle ${candidate} is not here yet: ${this.#trouble}` };
  }

  metrics() {
    return [{ name: "felhom_agent_blob_bytes_total", help: "Bytes of files fetched.", type: "counter", samples: [{ value: this.#bytes }] }] as const;
  }

  #mayFetch(): boolean {
    return isInWindow(this.#desk.held?.spec?.fetch_windows, localTime(this.#world.clock.wallMs()));
  }

  /** One attempt at all that is missing. How long to wait before the next; 0 when the candidate is settled. */
  async #bring(candidate: number, stop: AbortSignal): Promise<number> {
    try {
      const { missing = [], bundle: before = 0 } = this.#desk.held ?? {};
      await this.#fetchAll(missing, stop);
      const { held, staged, refused } = await this.#workers.ask({ op: "stage", settings: this.#desk.workerSettings() }, stop);
      this.#desk.held = held;
      this.#desk.refused(refused);
      // Or another has staged it: the worker of an agent that was killed lives on for a moment.
      if (staged || held.bundle > before) {
        this.#failures = 0;
        this.#trouble = undefined;
        this.#countRepair(candidate);
        this.#world.log.event("info", "bundle.in_force", { bundle: held.bundle });
        this.#desk.want("bundle");
        return 0;
      }
      if (held.candidate !== candidate) return 0;
      this.#trouble = refused[0]?.code ?? "not staged";
    } catch (error) {
      if (stop.aborted) return 0;
      if (!isFault(error) || error.code === "disk_failed") throw error;
      this.#trouble = error.message;
      this.#world.log.event("warn", "blob.failed", { bundle: candidate, code: error.code, failures: this.#failures }, error);
    }
    this.#failures += 1;
    return Math.round(backoffMs(FETCH_BACKOFF, this.#failures - 1, this.#world.rng));
  }

  /** A tree that is damaged again as soon as it was built (a dying disk, somebody's script) is built again at a growing distance, not in a loop. */
  #countRepair(version: number): void {
    const { version: before, count } = this.#repairs;
    const repairs = before === version ? count + 1 : 0;
    const waitMs = repairs === 0 ? 0 : backoffMs(REPAIR_BACKOFF, repairs, this.#world.rng);
    this.#repairs = { version, count: repairs, notBeforeMs: this.#world.clock.monoMs() + waitMs };
  }

  async #fetchAll(missing: readonly BlobRef[], stop: AbortSignal): Promise<void> {
    const membership = this.#desk.membership();
    if (membership === undefined || missing.length === 0) return;
    const url = this.#desk.url ?? membership.urls[0] ?? "";
    const from = {
      url,
      pins: pinsOf(this.#desk, membership),
      credential: membership.credential,
      dataDir: this.#desk.settings.dataDir,
      reserveBytes: this.#desk.settings.diskReserveBytes,
    };
    const queue = [...missing];
    // The first failure ends the others too: on a bad uplink four streams would each time out on their own.
    const failed = new AbortController();
    const end = (): void => failed.abort();
    stop.addEventListener("abort", end);
    const work = async (): Promise<void> => {
      for (let blob = queue.shift(); blob !== undefined && !failed.signal.aborted; blob = queue.shift()) {
        this.#bytes += await fetchBlob(this.#world, from, blob, failed.signal);
        this.#world.log.event("debug", "blob.fetched", { sha256: blob.sha256, size: blob.size });
      }
    };
    try {
      const workers = Array.from({ length: Math.min(PARALLEL_MAX, missing.length) }, () =>
        work().catch((error: unknown) => {
          end();
          throw error;
        }),
      );
      const results = await Promise.allSettled(workers);
      const broken = results.find((result) => result.status === "rejected");
      if (broken !== undefined) throw broken.reason;
    } finally {
      stop.removeEventListener("abort", end);
    }
  }
}
