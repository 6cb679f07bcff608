/**
 * What the agent's services tell each other: what is held, how the link stands, what was run last; and the signals by which one
 * wakes another. One object per composition, passed in; it holds facts and decides nothing.
 */
import { isFault } from "../../shared/core/fault.ts";
import type { World } from "../../shared/ports/world.ts";
import type { OutboxKind } from "../core/outbox/outbox.ts";
import type { Trigger } from "../core/schedule/schedule.ts";
import { Signal, untilStopped } from "../../shared/core/signal.ts";
import { Turnstile } from "../core/turnstile.ts";
import type { LinkStatus, OpsStatus } from "../core/status/agent-status.ts";
import type { ConvergeSummary, Held, RefusedDocument, WorkerResult, WorkerSettings } from "../core/worker/messages.ts";
import type { AgentSettings } from "../settings.ts";
import { NatsDesk } from "./nats/nats-desk.ts";
import type { AgentStore } from "./store/agent-store.ts";
import { type Membership, readMembership } from "./store/membership.ts";
import { enqueue, outboxUse, parkedRows, unsentRows } from "./store/outbox-store.ts";

/** How often an agent that is not enrolled looks whether it is now. */
const ENROLLED_CHECK_MS = 5_000;

export interface OutboxStatus {
  readonly rows: number;
  readonly bytes: number;
  readonly parked: number;
}

export class Desk {
  readonly settings: AgentSettings;
  readonly store: AgentStore;
  readonly #world: World;
  /** Rung when rows were queued that should not wait for the next poll. */
  readonly urgent = new Signal();
  /** Rung when a converge run is wanted, or when its pace changed. */
  readonly wanted = new Signal();
  /** Rung when a candidate's files should be fetched. */
  readonly fetch = new Signal();
  readonly #triggers: Trigger[] = [];
  readonly nats = new NatsDesk();
  /** Converge runs and exclusive ops pass it one at a time. */
  readonly turnstile = new Turnstile();

  /** The hub has told this process how far it has counted the rows. Before that, no row's number is spent: the database may be an older copy. */
  isCounted = false;
  run = 0;
  bootId = "";
  startedMs = 0;
  #held: Held | undefined;
  readonly #known = Promise.withResolvers<void>();
  link: LinkStatus = { is: "not_enrolled", failures: 0 };
  /** The URL that answered last. */
  url: string | undefined;
  lastConverge: ConvergeSummary | undefined;
  convergeFailure: string | undefined;
  converging: Trigger | undefined;
  nextConvergeInMs: (() => number | undefined) | undefined;
  /** Takes the result of a converge run that an op asked a worker for. */
  keepConverged: ((result: Extract<WorkerResult, { readonly op: "converge" }>) => void) | undefined;
  opsStatus: (() => OpsStatus) | undefined;

  constructor(world: World, settings: AgentSettings, store: AgentStore) {
    this.#world = world;
    this.settings = settings;
    this.store = store;
  }

  get held(): Held | undefined {
    return this.#held;
  }

  set held(held: Held | undefined) {
    this.#held = held;
    this.nats.follow(held?.spec);
    if (held !== undefined) this.#known.resolve();
  }

  /** Waits until a worker has said what is held, or for `stop`. */
  async known(stop: AbortSignal): Promise<void> {
    await Promise.race([this.#known.promise, untilStopped(stop)]);
  }

  workerSettings(): WorkerSettings {
    const { dataDir, bundlesKept, diskReserveBytes, factsDirs } = this.settings;
    return { dataDir, bundlesKept, diskReserveBytes, factsDirs: [...factsDirs] };
  }

  membership(): Membership | undefined {
    return readMembership(this.#world, this.settings.dataDir);
  }

  /** Waits until this box is enrolled; `undefined` when stopped before. */
  async enrolled(stop: AbortSignal): Promise<Membership | undefined> {
    while (!stop.aborted) {
      const found = this.membership();
      if (found !== undefined) return found;
      await this.#world.clock.sleep(ENROLLED_CHECK_MS, stop);
    }
    return undefined;
  }

  want(trigger: Trigger): void {
    if (!this.#triggers.includes(trigger)) this.#triggers.push(trigger);
    this.wanted.ring();
  }

  takeTriggers(): readonly Trigger[] {
    return this.#triggers.splice(0);
  }

  /** Queues a row for the hub. A queue that cannot be written does not stop the enforcing: it is logged, and the next run reports anew. */
  tell(kind: OutboxKind, body: unknown): void {
    const limit = { bytesMax: this.settings.outboxBytesMax, nowMs: this.#world.clock.wallMs() };
    const { dropped } = this.store.use((database) => enqueue(database, { kind, body }, limit));
    if (dropped > 0) this.#world.log.event("warn", "outbox.dropped", { rows: dropped });
    if (kind !== "metrics") this.urgent.ring();
  }

  /** A courtesy to whoever reads the timeline: on a full disk it is dropped, with a line in the log, and the enforcing goes on. */
  /** An answer to an op lies in the outbox: a copy goes over the bus where that stands, else a sync hurries with it. */
  answered(): void {
    if (this.nats.isCarrying) this.nats.answered.ring();
    else this.urgent.ring();
  }

  event(event: string, facts: Readonly<Record<string, string | number | boolean | null>> = {}): void {
    try {
      this.tell("event", { event, at_ms: this.#world.clock.wallMs(), ...facts });
    } catch (error) {
      if (!isFault(error, "db_full") && !isFault(error, "disk_full")) throw error;
      this.#world.log.event("warn", "outbox.dropped", { rows: 1 }, error);
    }
  }

  refused(documents: readonly RefusedDocument[]): void {
    for (const { what, version, code, detail } of documents) {
      this.#world.log.event("warn", "document.refused", { what, version, code, detail });
      this.event("document.refused", { what, version, code, detail });
    }
  }

  outbox(): OutboxStatus {
    return this.store.use((database) => {
      const bytes = outboxUse(database).reduce((sum, use) => sum + use.bytes, 0);
      return { rows: unsentRows(database), bytes, parked: parkedRows(database) };
    });
  }
}
