/**
 * The link's edge: performs what core/sync/link.ts decides. One loop, one request at a time. Documents go to a worker to be
 * verified; rows come from the outbox and leave it when the hub has acknowledged them.
 */
import { isFault } from "../../../shared/core/fault.ts";
import type { Health } from "../../../shared/core/health.ts";
import type { Metric } from "../../../shared/core/metrics.ts";
import { SYNC_REPLY_BYTES_MAX } from "../../../shared/protocol/sync-limits.ts";
import type { SyncReply } from "../../../shared/protocol/sync.ts";
import { PROTOCOL } from "../../../shared/protocol/version.ts";
import type { World } from "../../../shared/ports/world.ts";
import type { Service } from "../../../shared/service.ts";
import { type Link, type LinkEffect, type LinkEvent, newLink, type ReplyFacts, turn } from "../../core/sync/link.ts";
import { decodeSyncReply } from "../../core/sync/reply.ts";
import type { LinkStatus } from "../../core/status/agent-status.ts";
import type { Desk } from "../desk.ts";
import type { OpsDoor } from "../ops/door.ts";
import { readCounter, writeCounter } from "../store/counters.ts";
import type { Membership } from "../store/membership.ts";
import { acknowledge, park, unsentRows } from "../store/outbox-store.ts";
import type { WorkerClient } from "../worker/worker-client.ts";
import { askHub } from "./hub-client.ts";
import { type SyncMessage, syncMessage } from "./sync-request.ts";

/** On top of what a request asks to be held. */
const REQUEST_TIMEOUT_MS = 30_000;
/** A pause that a connection outlives, with the tenth that is added to it: after REUSE_MS (shared/edge/kept-connection.ts) nobody takes it again. */
const KEPT_MS_MAX = 1_500;

export function linkService(world: World, desk: Desk, workers: WorkerClient, ops: OpsDoor): Service {
  const link = new LinkRunner(world, desk, workers, ops);
  return { name: "link", start: (stop) => Promise.resolve({ done: link.run(stop) }), health: () => link.health(), metrics: () => link.metrics() };
}

const ANNOUNCE_AGAIN_MS = 86_400_000;

class LinkRunner {
  readonly #world: World;
  readonly #desk: Desk;
  readonly #workers: WorkerClient;
  readonly #ops: OpsDoor;
  #state: Link | undefined;
  #membership: Membership | undefined;
  /** Ends the held request under way. */
  #cut: AbortController | undefined;
  #documents: SyncReply | undefined;
  #lastSeqs: readonly number[] = [];
  /** The hub asked for a long pause after the last sync. */
  #isPaced = false;
  #echo = "";
  /** When the hub was last told what waits for a signature. */
  #announcedMonoMs: number | undefined;
  #syncs = 0;
  #failures = 0;

  constructor(world: World, desk: Desk, workers: WorkerClient, ops: OpsDoor) {
    this.#world = world;
    this.#desk = desk;
    this.#workers = workers;
    this.#ops = ops;
  }

  async run(stop: AbortSignal): Promise<void> {
    this.#desk.link = { is: "not_enrolled", failures: 0 };
    this.#membership = await this.#desk.enrolled(stop);
    if (this.#membership === undefined) return;
    this.#desk.link = { is: "starting", failures: 0 };
    await this.#desk.known(stop);
    const { urls } = this.#membership;
    const store = this.#desk.store;
    this.#state = newLink(
      urls.length,
      store.use((database) => readCounter(database, "url_at")),
      store.use((database) => readCounter(database, "hub_epoch")),
    );
    const waking = this.#listen(stop);
    let event: LinkEvent = { on: "due", unsent: false };
    while (!stop.aborted) event = await this.#step(event, stop);
    await waking;
  }

  health(): Health {
    const { link } = this.#desk;
    switch (link.is) {
      case "connected":
        return link.tooOldFor === undefined
          ? { is: "healthy" }
          : { is: "degraded", because: `the hub speaks protocol ${link.tooOldFor} and up, this agent speaks ${PROTOCOL}: update felhom` };
      case "starting":
        return { is: "degraded", because: "no hub has answered yet" };
      case "not_enrolled":
        return { is: "degraded", because: "not enrolled: felhom enroll" };
      case "offline":
        return { is: "degraded", because: `offline: ${link.because ?? ""}` };
      case "refused":
        return { is: "degraded", because: `the hub refuses the sync: ${link.because ?? ""}` };
      case "revoked":
        return { is: "degraded", because: "revoked: operations have ended, what was desired last is still enforced" };
      case "unknown_to_hub":
        return { is: "degraded", because: "the hub does not know this host: felhom enroll" };
    }
  }

  metrics(): readonly Metric[] {
    const connected = this.#desk.link.is === "connected" ? 1 : 0;
    const last = this.#desk.link.lastSyncMs;
    return [
      { name: "felhom_agent_link_up", help: "1 when the last sync was answered.", type: "gauge", samples: [{ value: connected }] },
      {
        name: "felhom_agent_syncs_total",
        help: "Syncs by result.",
        type: "counter",
        samples: [
          { labels: { result: "ok" }, value: this.#syncs },
          { labels: { result: "failed" }, value: this.#failures },
        ],
      },
      ...(last === undefined
        ? []
        : [
            { name: "felhom_agent_last_sync_timestamp_seconds", help: "When a hub last answered.", type: "gauge" as const, samples: [{ value: last / 1_000 }] },
          ]),
    ];
  }

  /** Urgent rows end a held request, so that they go now and not when it ends. */
  async #listen(stop: AbortSignal): Promise<void> {
    while (!stop.aborted) {
      await this.#desk.urgent.next(stop);
      if (stop.aborted || this.#state === undefined) return;
      const { state, effects } = turn(this.#state, { on: "woken" }, this.#world.clock.monoMs(), this.#world.rng);
      this.#state = state;
      if (effects.some(({ run }) => run === "cut")) this.#cut?.abort();
    }
  }

  async #step(event: LinkEvent, stop: AbortSignal): Promise<LinkEvent> {
    if (this.#state === undefined) throw new Error("Broken invariant: the link has a state");
    const { state, effects } = turn(this.#state, event, this.#world.clock.monoMs(), this.#world.rng);
    this.#publish(this.#state, state);
    this.#state = state;
    let next: LinkEvent = { on: "due", unsent: false };
    for (const effect of effects) next = (await this.#tried(effect, stop)) ?? next;
    return next;
  }

  /** A full disk ends nothing here: what could not be written down is tried again after the back-off. */
  async #tried(effect: LinkEffect, stop: AbortSignal): Promise<LinkEvent | undefined> {
    try {
      return await this.#perform(effect, stop);
    } catch (error) {
      if (!isFault(error, "db_full")) throw error;
      this.#world.log.event("error", "link.disk_full", {}, error);
      return { on: "failed", code: error.code };
    }
  }

  async #perform(effect: LinkEffect, stop: AbortSignal): Promise<LinkEvent | undefined> {
    switch (effect.run) {
      case "ask":
        return this.#ask(effect, stop);
      case "sleep":
        await this.#world.clock.sleep(effect.ms, stop);
        return { on: "due", unsent: this.#desk.store.use(unsentRows) > 0 };
      case "settle":
        return this.#settle(stop);
      case "park":
        this.#park();
        return undefined;
      case "log":
        this.#log(effect);
        return undefined;
      case "cut":
        return undefined;
    }
  }

  async #ask(effect: Extract<LinkEffect, { readonly run: "ask" }>, stop: AbortSignal): Promise<LinkEvent> {
    // Read each time: a new enrollment replaces the credential under a running agent.
    const membership = this.#desk.membership() ?? this.#membership;
    if (membership === undefined) throw new Error("Broken invariant: an enrolled box has a membership");
    this.#membership = membership;
    // A new database counts from 1: before its first row goes, the hub says how far it has counted this box (see settleAck).
    const isUncounted = this.#desk.store.use((database) => readCounter(database, "counted")) === 0;
    const waitMs = effect.hold && !isUncounted ? this.#desk.settings.syncWaitMs : 0;
    const parts = this.#parts(membership, isUncounted ? { ...effect, rowsMax: 0 } : effect, waitMs);
    const message = this.#message(parts);
    this.#lastSeqs = message.seqs;
    this.#cut = new AbortController();
    const end = (): void => this.#cut?.abort();
    stop.addEventListener("abort", end);
    const startedMs = this.#world.clock.monoMs();
    try {
      const answer = await askHub(this.#world, {
        op: "sync.request",
        method: "POST",
        url: membership.urls[effect.urlAt % membership.urls.length] ?? "",
        path: "/agent/v1/sync",
        pins: pinsOf(this.#desk, membership),
        headers: { authorization: `Bearer ${membership.credential}` },
        body: message.request,
        decode: decodeSyncReply,
        timeoutMs: waitMs + REQUEST_TIMEOUT_MS,
        replyBytesMax: SYNC_REPLY_BYTES_MAX,
        stop: this.#cut.signal,
        // Rows have numbers, so a sync may come twice. Where the hub sets a slow pace, no connection outlives its use.
        keep: !this.#isPaced,
      });
      if (answer.is === "ok") return this.#replied(answer.value, message, this.#world.clock.monoMs() - startedMs);
      if (parts.natsWanted) this.#desk.nats.unanswered();
      this.#failures += 1;
      return { on: "answered", status: answer.status, code: answer.code, retryAfterMs: answer.retryAfterMs, rows: message.seqs.length };
    } catch (error) {
      if (parts.natsWanted) this.#desk.nats.unanswered();
      if (this.#cut.signal.aborted) return { on: "cut" };
      if (!isFault(error) || error.code === "disk_failed" || error.code === "db_full") throw error;
      this.#failures += 1;
      return { on: "failed", code: error.code };
    } finally {
      stop.removeEventListener("abort", end);
      this.#cut = undefined;
    }
  }

  /** Rows leave when it is on disk that their numbers are spent. While the disk is full they stay, and the sync goes without them: the hub sees this box. */
  #message(parts: Parameters<typeof syncMessage>[1]): SyncMessage {
    try {
      return this.#desk.store.use((database) => syncMessage(database, parts));
    } catch (error) {
      if (!isFault(error, "db_full") || parts.rowsMax === 0) throw error;
      this.#world.log.event("error", "link.disk_full", {}, error);
      return { ...this.#desk.store.use((database) => syncMessage(database, { ...parts, rowsMax: 0 })), isWithoutRows: true };
    }
  }

  #parts(membership: Membership, effect: Extract<LinkEffect, { readonly run: "ask" }>, waitMs: number): Parameters<typeof syncMessage>[1] {
    const desk = this.#desk;
    return {
      hostId: membership.host_id,
      bootId: desk.bootId,
      run: desk.run,
      version: this.#world.self.version,
      held: desk.held,
      hubEpoch: this.#state?.hubEpoch ?? 0,
      waitMs,
      rowsMax: effect.rowsMax,
      offer: effect.offer,
      ledgerGeneration: this.#ops.generation(),
      natsWanted: desk.nats.asks(this.#world.clock.monoMs()),
      echo: this.#echo,
    };
  }

  #replied(reply: SyncReply, message: SyncMessage, tookMs: number): LinkEvent {
    const { store } = this.#desk;
    this.#syncs += 1;
    this.#isPaced = reply.next_ms > KEPT_MS_MAX;
    this.#echo = reply.echo ?? this.#echo;
    const { shiftBy } = store.use((database) => acknowledge(database, reply.acked_seq));
    this.#desk.isCounted = true;
    if (shiftBy > 0) {
      this.#world.log.event("warn", "outbox.renumbered", { by: shiftBy });
      this.#desk.event("outbox.renumbered", { by: shiftBy });
    }
    if (reply.nats !== undefined) this.#desk.nats.take(reply.nats, this.#world);
    const before = this.#state;
    if (before !== undefined && reply.hub_epoch > before.hubEpoch) store.use((database) => writeCounter(database, "hub_epoch", reply.hub_epoch));
    if (before !== undefined && store.use((database) => readCounter(database, "url_at")) !== before.urlAt)
      store.use((database) => writeCounter(database, "url_at", before.urlAt));
    const hasDocuments = (reply.roots?.length ?? 0) > 0 || reply.host_cert !== undefined || reply.bundle !== undefined || reply.spec !== undefined;
    const hasOps = (reply.ops?.length ?? 0) > 0 || (reply.cancelled?.length ?? 0) > 0 || (reply.ledger_generation ?? 0) > this.#ops.generation();
    this.#documents = hasDocuments || hasOps ? reply : undefined;
    if (reply.spec === undefined) this.#announceAwaiting();
    const lastSeq = message.seqs.at(-1);
    const facts: ReplyFacts = {
      hubEpoch: reply.hub_epoch,
      minProtocol: reply.min_protocol,
      nextMs: reply.next_ms,
      hasDocuments: hasDocuments || hasOps,
      wantsOffer: reply.want_offer === true,
      unsent: store.use(unsentRows) > 0,
      ignoredRows: message.isWithoutRows === true || (lastSeq !== undefined && reply.acked_seq < (message.seqs[0] ?? 0)),
      tookMs,
    };
    return { on: "replied", reply: facts };
  }

  /** Documents first, then ops: those are judged by the root and the certificate that came with them. */
  async #settle(stop: AbortSignal): Promise<LinkEvent> {
    const reply = this.#documents;
    this.#documents = undefined;
    if (reply === undefined) return { on: "settled", advanced: true };
    const hasDocuments = (reply.roots?.length ?? 0) > 0 || reply.host_cert !== undefined || reply.bundle !== undefined || reply.spec !== undefined;
    const settled = hasDocuments ? await this.#adopt(reply, stop) : ({ on: "settled", advanced: false } as const);
    try {
      await this.#ops.heard(reply.ledger_generation ?? 0);
      return { ...settled, newOps: (await this.#ops.fromSync(reply)) > 0 };
    } catch (error) {
      // What could not be taken is offered again: nothing of it ran without its row.
      if (!isFault(error) || error.code === "disk_failed") throw error;
      this.#world.log.event("error", "op.failed", { code: error.code }, error);
      return settled;
    }
  }

  /** Documents to the worker; what it then holds is what the next sync says. */
  async #adopt(reply: SyncReply, stop: AbortSignal): Promise<{ readonly on: "settled"; readonly advanced: boolean }> {
    const before = this.#desk.held;
    try {
      const { held, advanced, newSpec, refused } = await this.#workers.ask(
        {
          op: "adopt",
          settings: this.#desk.workerSettings(),
          roots: reply.roots ?? [],
          ...(reply.host_cert === undefined ? {} : { cert: reply.host_cert }),
          ...(reply.bundle === undefined ? {} : { bundle: reply.bundle }),
          ...(reply.spec === undefined ? {} : { spec: reply.spec }),
        },
        stop,
      );
      this.#desk.held = held;
      this.#desk.refused(refused);
      if (newSpec) this.#announceSpec();
      if (held.cert !== before?.cert || held.root !== before.root) this.#desk.want("bundle");
      if (held.candidate > (before?.candidate ?? 0)) {
        this.#world.log.event("info", "bundle.candidate", { bundle: held.candidate, missing: held.missing.length });
        this.#desk.fetch.ring();
      }
      return { on: "settled", advanced };
    } catch (error) {
      if (!isFault(error) || error.code === "disk_failed") throw error;
      this.#world.log.event("error", "document.refused", { what: "all", code: error.code }, error);
      return { on: "settled", advanced: false };
    }
  }

  #announceSpec(): void {
    this.#world.log.event("info", "spec.taken", { generation: this.#desk.held?.spec?.generation ?? 0 });
    this.#announcedMonoMs = undefined;
    this.#announceAwaiting();
    this.#desk.want("spec");
    this.#desk.fetch.ring();
  }

  /** The hub makes a draft of it; what is signed in the end is compared here, letter by letter. Said again each day, for drafts expire. */
  #announceAwaiting(): void {
    const awaiting = this.#desk.held?.awaiting;
    const monoMs = this.#world.clock.monoMs();
    if (awaiting === undefined || monoMs - (this.#announcedMonoMs ?? Number.NEGATIVE_INFINITY) < ANNOUNCE_AGAIN_MS) return;
    this.#announcedMonoMs = monoMs;
    this.#desk.event("spec.awaiting_signature", { generation: awaiting.generation, fields: JSON.stringify(awaiting.fields).slice(0, 2_048) });
  }

  #park(): void {
    const [seq] = this.#lastSeqs;
    if (seq === undefined) return;
    this.#desk.store.use((database) => park(database, seq));
    this.#world.log.event("error", "outbox.parked", { seq });
  }

  #log(effect: Extract<LinkEffect, { readonly run: "log" }>): void {
    this.#world.log.event(effect.event === "link.up" ? "info" : "warn", effect.event, {
      because: effect.because,
      url: this.#urlNow(),
      failures: this.#state?.failures ?? 0,
    });
  }

  #urlNow(): string | undefined {
    return this.#state === undefined ? undefined : this.#membership?.urls[this.#state.urlAt];
  }

  /** The link as people see it: wall-clock times, the URL, the reason. */
  #publish(before: Link, now: Link): void {
    const wallMs = this.#world.clock.wallMs();
    const monoMs = this.#world.clock.monoMs();
    const url = this.#membership?.urls[now.urlAt];
    if (now.standing.is === "connected") this.#desk.url = url;
    if (now.standing.is === "revoked") this.#desk.nats.revoked();
    const since = now.standing.is === before.standing.is ? this.#desk.link.sinceMs : wallMs;
    const lastSyncMs = now.lastOkMs !== before.lastOkMs ? wallMs : this.#desk.link.lastSyncMs;
    const status: LinkStatus = {
      is: now.standing.is,
      failures: now.failures,
      ...("because" in now.standing ? { because: now.standing.because } : {}),
      ...(url === undefined ? {} : { url }),
      ...(since === undefined ? {} : { sinceMs: since }),
      ...(lastSyncMs === undefined ? {} : { lastSyncMs }),
      ...(now.phase.at === "sleeping" ? { nextInMs: Math.max(0, now.phase.untilMs - monoMs) } : {}),
      ...(now.minProtocol > PROTOCOL ? { tooOldFor: now.minProtocol } : {}),
    };
    this.#desk.link = status;
  }
}

/** The current root's pins, else the join code's; none at all means the system's authorities decide. */
export function pinsOf(desk: Desk, membership: Membership): readonly string[] {
  const named = desk.held?.pins ?? [];
  return named.length > 0 ? named : membership.pins;
}
