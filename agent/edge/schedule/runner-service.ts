/**
 * Runs what core/schedule decides: one converge worker at a time, its result into the outbox and onto the desk. Also the first to
 * ask a worker what this box holds, since nothing can be synced or run before that is known.
 */
import { backoffMs } from "../../../shared/core/backoff.ts";
import { flatten, isFault } from "../../../shared/core/fault.ts";
import type { Health } from "../../../shared/core/health.ts";
import type { Metric } from "../../../shared/core/metrics.ts";
import type { World } from "../../../shared/ports/world.ts";
import type { Service } from "../../../shared/service.ts";
import { newSchedule, type Schedule, type ScheduleEvent, sleepMs, type Trigger, turn } from "../../core/schedule/schedule.ts";
import type { Held, WorkerResult } from "../../core/worker/messages.ts";
import type { Desk } from "../desk.ts";
import { readCounter, writeCounter } from "../store/counters.ts";
import { readMark, writeMark } from "../store/marks.ts";
import type { WorkerClient } from "../worker/worker-client.ts";

const STATUS_BACKOFF = { firstMs: 2_000, maxMs: 60_000 };
const RELEASE_AFTER_MS = 5_000;
type Converged = Extract<WorkerResult, { readonly op: "converge" }>;

export function runnerService(world: World, desk: Desk, workers: WorkerClient): Service {
  const runner = new Runner(world, desk, workers);
  return { name: "runner", start: (stop) => Promise.resolve({ done: runner.run(stop) }), health: () => runner.health(), metrics: () => runner.metrics() };
}

class Runner {
  readonly #world: World;
  readonly #desk: Desk;
  readonly #workers: WorkerClient;
  #state: Schedule;
  #running: Promise<void> | undefined;
  #finished: Extract<ScheduleEvent, { readonly on: "finished" }> | undefined;
  /** A broken promise or a disk that cannot be trusted: the service ends with it. */
  #broken: { readonly error: unknown } | undefined;
  #runs = 0;
  #failures = 0;
  /** Something ran since memory was last handed back. */
  #hasRun = false;
  /** Quarantines whose loss a run has already reported. */
  #quarantinesTold = 0;

  constructor(world: World, desk: Desk, workers: WorkerClient) {
    this.#world = world;
    this.#desk = desk;
    this.#workers = workers;
    this.#state = newSchedule("", desk.settings.convergeIntervalMs);
    desk.keepConverged = (result) => this.#keep(result);
    desk.nextConvergeInMs = () => sleepMs(this.#state, world.clock.monoMs());
  }

  async run(stop: AbortSignal): Promise<void> {
    const membership = await this.#desk.enrolled(stop);
    if (membership === undefined) return;
    await this.#look(stop);
    this.#state = { ...newSchedule(membership.host_id, this.#intervalMs()), runs: this.#desk.run };
    this.#desk.want("boot");
    this.#desk.fetch.ring();
    while (!stop.aborted) await this.#turn(stop);
    await this.#running;
  }

  health(): Health {
    const { held, lastConverge, convergeFailure } = this.#desk;
    if (convergeFailure !== undefined) return { is: "degraded", because: convergeFailure };
    if (held === undefined) return { is: "degraded", because: this.#desk.link.is === "not_enrolled" ? "not enrolled" : "what this box holds is not known yet" };
    if (lastConverge?.degraded !== undefined) return { is: "degraded", because: lastConverge.degraded };
    if ((lastConverge?.counts.failed ?? 0) > 0) return { is: "degraded", because: `${lastConverge?.counts.failed} resources failed` };
    return { is: "healthy" };
  }

  metrics(): readonly Metric[] {
    const { lastConverge, held } = this.#desk;
    const results: Metric[] = [
      {
        name: "felhom_agent_converges_total",
        help: "Converge runs by result.",
        type: "counter",
        samples: [
          { labels: { result: "finished" }, value: this.#runs },
          { labels: { result: "failed" }, value: this.#failures },
        ],
      },
      { name: "felhom_agent_bundle_version", help: "The bundle in force.", type: "gauge", samples: [{ value: held?.bundle ?? 0 }] },
      { name: "felhom_agent_spec_generation", help: "The desired spec in force.", type: "gauge", samples: [{ value: held?.spec?.generation ?? 0 }] },
    ];
    if (lastConverge === undefined) return results;
    return [
      ...results,
      {
        name: "felhom_agent_resources",
        help: "Resources by outcome of the last run.",
        type: "gauge",
        samples: Object.entries(lastConverge.counts).map(([outcome, value]) => ({ labels: { outcome }, value })),
      },
      {
        name: "felhom_agent_last_converge_timestamp_seconds",
        help: "When the last run began.",
        type: "gauge",
        samples: [{ value: lastConverge.atMs / 1_000 }],
      },
      { name: "felhom_agent_last_converge_seconds", help: "How long the last run took.", type: "gauge", samples: [{ value: lastConverge.durationMs / 1_000 }] },
    ];
  }

  /** Asks until somebody answers: a box whose worker cannot start has to say so, not to give up. */
  async #look(stop: AbortSignal): Promise<void> {
    for (let attempt = 0; !stop.aborted; attempt += 1) {
      try {
        const { held } = await this.#workers.ask({ op: "status", settings: this.#desk.workerSettings() }, stop);
        for (const note of held.notes) {
          this.#world.log.event("warn", "desired.damaged", { note, source: held.source });
          this.#desk.event("desired.damaged", { note, source: held.source });
        }
        this.#desk.convergeFailure = undefined;
        this.#desk.held = held;
        return;
      } catch (error) {
        if (!isFault(error) || error.code === "disk_failed") throw error;
        this.#desk.convergeFailure = flatten(error);
        this.#world.log.event("error", "worker.failed", { op: "status" }, error);
        await this.#world.clock.sleep(backoffMs(STATUS_BACKOFF, attempt, this.#world.rng), stop);
      }
    }
  }

  async #turn(stop: AbortSignal): Promise<void> {
    const monoMs = this.#world.clock.monoMs();
    const events: ScheduleEvent[] = [{ on: "paced", intervalMs: this.#intervalMs() }];
    if (this.#finished !== undefined) events.push(this.#finished);
    this.#finished = undefined;
    for (const trigger of this.#desk.takeTriggers()) events.push({ on: "wanted", trigger });
    events.push({ on: "tick" });
    for (const event of events) {
      const { state, effects } = turn(this.#state, event, monoMs);
      this.#state = state;
      for (const { trigger } of effects) this.#running = this.#converge(trigger, stop).catch((error: unknown) => void (this.#broken = { error }));
    }
    if (this.#broken !== undefined) throw this.#broken.error;
    const waitMs = sleepMs(this.#state, this.#world.clock.monoMs());
    if (this.#hasRun && this.#desk.converging === undefined && (waitMs ?? RELEASE_AFTER_MS) >= RELEASE_AFTER_MS) {
      // First the reports go out, then memory goes back.
      await this.#desk.wanted.within(RELEASE_AFTER_MS, (ms, until) => this.#world.clock.sleep(ms, until), stop);
      if (this.#world.clock.monoMs() - monoMs < RELEASE_AFTER_MS) return;
      this.#hasRun = false;
      await this.#world.self.releaseMemory();
      return;
    }
    if (waitMs === undefined) await this.#desk.wanted.next(stop);
    else await this.#desk.wanted.within(waitMs, (ms, until) => this.#world.clock.sleep(ms, until), stop);
  }

  async #converge(trigger: Trigger, stop: AbortSignal): Promise<void> {
    const desk = this.#desk;
    const release = await desk.turnstile.acquire(stop);
    if (release === undefined) return;
    desk.converging = trigger;
    this.#world.log.event("debug", "converge.started", { trigger });
    try {
      const databaseLost = desk.store.quarantines > this.#quarantinesTold;
      const told = desk.store.quarantines;
      const marks = desk.store.use((database) => ({ reported: readMark(database, "reported"), facts: readMark(database, "facts") }));
      const result = await this.#workers.ask({ op: "converge", settings: desk.workerSettings(), trigger, ...marks, databaseLost }, stop);
      this.#quarantinesTold = told;
      this.#keep(result);
      this.#runs += 1;
      this.#finished = { on: "finished", ok: true, retryInMs: result.retryInMs };
    } catch (error) {
      if (stop.aborted) return;
      if (!isFault(error) || error.code === "disk_failed") throw error;
      this.#failures += 1;
      desk.convergeFailure = flatten(error);
      this.#world.log.event("error", "converge.failed", { trigger }, error);
      desk.event("converge.failed", { trigger, code: error.code });
      this.#finished = { on: "finished", ok: false };
    } finally {
      release();
      desk.converging = undefined;
      this.#hasRun = true;
      desk.wanted.ring();
    }
  }

  #keep(result: Converged): void {
    const desk = this.#desk;
    const { summary, held } = result;
    // A worker that adopted something meanwhile may have answered first, and knows more.
    desk.held = desk.held !== undefined && isNewer(desk.held, held) ? { ...desk.held, source: held.source, notes: held.notes } : held;
    if (held.notes.some((note) => note.startsWith("agent.db is damaged"))) this.#checkDatabase();
    if (held.candidate > 0) desk.fetch.ring();
    desk.convergeFailure = undefined;
    desk.lastConverge = summary;
    if (result.report !== undefined) {
      desk.tell("report", result.report.envelope);
      this.#mark("reported", result.report.digest);
    }
    if (result.facts !== undefined) {
      desk.tell("facts", result.facts.envelope);
      this.#mark("facts", result.facts.digest);
    }
    this.#tellMetrics(result.metrics);
    if (summary !== undefined) {
      const { bundle, mode, counts, durationMs, source } = summary;
      this.#world.log.event(counts.failed > 0 || summary.degraded !== undefined ? "warn" : "info", "converge.finished", {
        trigger: summary.trigger,
        bundle,
        mode,
        source,
        ms: durationMs,
        ...counts,
        degraded: summary.degraded,
      });
    }
  }

  /** A worker found the database damaged while this process has it open: look for ourselves, and begin anew if so. */
  #checkDatabase(): void {
    const finding = this.#desk.store.use((database) => database.check("store.check"));
    this.#desk.store.quarantine(new Error(finding));
  }

  #mark(name: "reported" | "facts", digest: string): void {
    this.#desk.store.use((database) => writeMark(database, name, { digest, atMs: this.#world.clock.wallMs() }));
  }

  #tellMetrics(metrics: Readonly<Record<string, number>>): void {
    const nowMs = this.#world.clock.wallMs();
    const lastMs = this.#desk.store.use((database) => readCounter(database, "metrics_ms"));
    if (nowMs - lastMs < this.#desk.settings.metricsIntervalMs && nowMs >= lastMs) return;
    this.#desk.tell("metrics", { ...metrics, agent_rss_bytes: this.#world.self.rssBytes() });
    this.#desk.store.use((database) => writeCounter(database, "metrics_ms", nowMs));
  }

  #intervalMs(): number {
    const wanted = this.#desk.held?.spec?.interval_s;
    return wanted === undefined ? this.#desk.settings.convergeIntervalMs : wanted * 1_000;
  }
}

function isNewer(a: Held, b: Held): boolean {
  const [ours, theirs] = [stamp(a), stamp(b)];
  return ours.some((value, at) => value > (theirs[at] ?? 0));
}

function stamp({ root, cert, bundle, candidate, spec }: Held): readonly number[] {
  return [root, cert, bundle, Math.max(bundle, candidate), spec?.generation ?? 0];
}
