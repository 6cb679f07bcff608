/**
 * A hub's side of NATS, as a service that may come and go: connect → stream and consumer → publish copies of ops, take returns, hear
 * acknowledgements and signs of life, until the connection ends; then wait and connect again. Nothing waits for it: without NATS,
 * or while it is away, every op and every answer goes by sync.
 */
import { type BusLink, type BusLinkEvent, newBusLink, turnBusLink } from "../../../shared/core/bus-link.ts";
import { flatten, isFault } from "../../../shared/core/fault.ts";
import type { Health } from "../../../shared/core/health.ts";
import type { Metric } from "../../../shared/core/metrics.ts";
import type { Bus, BusMessage, StreamStatus, Streams } from "../../../shared/ports/bus.ts";
import type { World } from "../../../shared/ports/world.ts";
import { decodeNatsAck, decodeNatsAlive, encodeNatsOp } from "../../../shared/protocol/nats-messages.ts";
import { hostOfSubject, natsSubjects } from "../../../shared/protocol/nats-subjects.ts";
import type { Service } from "../../../shared/service.ts";
import type { HubSettings } from "../../settings.ts";
import type { Slot } from "../slot.ts";
import type { Agents } from "../sync/agents.ts";
import { connectHub, HUB_RENEW_MS } from "./connect-hub.ts";
import { publishCopies, removeStaleCopies } from "./publisher.ts";
import { type TakenCounts, takeReturns } from "./returns.ts";
import { ACK_WAIT_MS, CONSUMER, ensureStream, UNACKED_MAX, underReplicated } from "./stream.ts";

/** Until a fleet is set up there is nobody to speak for. */
const NO_FLEET_MS = 5_000;
const LOOK_MS = 30_000;
const TURN_MS = 250;

export function natsService(world: World, settings: HubSettings, opened: Slot<Agents>): Service {
  const runner = new NatsRunner(world, settings, opened);
  return { name: "nats", start: (stop) => Promise.resolve({ done: runner.run(stop) }), health: () => runner.health(), metrics: () => runner.metrics() };
}

class NatsRunner {
  readonly #world: World;
  readonly #settings: HubSettings;
  readonly #opened: Slot<Agents>;
  #health: Health = { is: "healthy" };
  #stream: StreamStatus | undefined;
  #connections = 0;
  #published = 0;
  readonly #returns: TakenCounts = { taken: 0, refused: 0 };
  #refused = 0;

  constructor(world: World, settings: HubSettings, opened: Slot<Agents>) {
    this.#world = world;
    this.#settings = settings;
    this.#opened = opened;
  }

  health(): Health {
    return this.#health;
  }

  async run(stop: AbortSignal): Promise<void> {
    const { urls } = this.#settings.nats;
    const { clock, rng } = this.#world;
    if (urls.length === 0) return stopped(stop);
    while (!stop.aborted && this.#opened.peek()?.hub.fleet.root === undefined) await clock.sleep(NO_FLEET_MS, stop);
    let link: BusLink = newBusLink(urls.length);
    let event: BusLinkEvent = { on: "due" };
    while (!stop.aborted) {
      const turn = turnBusLink(link, event, clock.monoMs(), rng);
      link = turn.link;
      event = { on: "due" };
      for (const effect of turn.effects) {
        if (effect.run === "sleep") await clock.sleep(effect.ms, stop);
        else if (effect.run === "log") this.#say(effect, urls[link.urlAt]);
        else event = await this.#once(urls[effect.urlAt] ?? "", (up) => (link = turnBusLink(link, up, clock.monoMs(), rng).link), stop);
      }
    }
  }

  /** One connection, from its beginning to its end. */
  async #once(url: string, told: (event: BusLinkEvent) => void, stop: AbortSignal): Promise<BusLinkEvent> {
    let bus: Bus | undefined;
    try {
      bus = await connectHub(this.#opened.get().hub, url, () => {
        this.#refused += 1;
      });
      told({ on: "connected" });
      this.#connections += 1;
      const code = await this.#attached(bus, stop);
      return { on: "ended", code };
    } catch (error) {
      const code = isFault(error) ? error.code : "internal";
      this.#health = { is: "degraded", because: `NATS: ${flatten(error)}` };
      this.#world.log.event("warn", "nats.failed", { url, code }, error);
      return bus === undefined ? { on: "failed", code } : { on: "ended", code };
    } finally {
      this.#opened.peek()?.hub.carrier.disconnected();
      await bus?.close();
    }
  }

  /** Until the connection ends, one of the loops fails, or the credentials should be renewed. */
  async #attached(bus: Bus, stop: AbortSignal): Promise<string> {
    const { hub } = this.#opened.get();
    const fleetId = hub.fleet.root?.payload.fleet_id ?? "";
    const subjects = natsSubjects(fleetId);
    const streams = await bus.streams();
    this.#look(await ensureStream(streams, fleetId));
    const consumer = await streams.consume(natsStreamName(this.#stream), { durable: CONSUMER, ackWaitMs: ACK_WAIT_MS, unackedMax: UNACKED_MAX });
    await bus.subscribe(subjects.everyAck, (message) => this.#acknowledged(message));
    await bus.subscribe(subjects.everyAlive, (message) => this.#alive(message));
    await removeStaleCopies(hub);
    hub.carrier.connected();
    bus.publish(subjects.broadcast, encodeNatsOp({ envelope: undefined }));
    this.#health = { is: "healthy" };
    this.#world.log.event("info", "nats.up", { server: bus.server.name, version: bus.server.version, stream: this.#stream?.name });
    const over = new AbortController();
    const end = (): void => over.abort();
    stop.addEventListener("abort", end);
    const loops = [
      this.#loop(over.signal, async () => {
        await hub.carrier.copied.next(over.signal);
        if (!over.signal.aborted) this.#published += await publishCopies(hub, bus, subjects);
      }),
      this.#loop(over.signal, () => takeReturns(hub, consumer, this.#returns, (hostId) => this.#heard(hostId), over.signal)),
      this.#loop(over.signal, async () => {
        await this.#world.clock.sleep(TURN_MS, over.signal);
        hub.carrier.turn(this.#world.clock.monoMs());
      }),
      this.#loop(over.signal, () => this.#lookAgain(streams, fleetId, over.signal)),
    ];
    try {
      const ended = bus.closed.then((fault) => fault?.code ?? "closed");
      const renewed = this.#world.clock.sleep(HUB_RENEW_MS, over.signal).then(() => "renewed");
      return await Promise.race([ended, renewed, ...loops.map((loop) => loop.then(() => "stopped"))]);
    } finally {
      end();
      stop.removeEventListener("abort", end);
      await consumer.end();
      await Promise.allSettled(loops);
    }
  }

  async #loop(stop: AbortSignal, turn: () => Promise<void>): Promise<void> {
    while (!stop.aborted) await turn();
  }

  async #lookAgain(streams: Streams, fleetId: string, stop: AbortSignal): Promise<void> {
    await this.#world.clock.sleep(LOOK_MS, stop);
    if (!stop.aborted) this.#look(await ensureStream(streams, fleetId));
  }

  #look(status: StreamStatus): void {
    const servers = this.#settings.nats.urls.length;
    const because = underReplicated(status, servers);
    const before = this.#stream === undefined ? undefined : underReplicated(this.#stream, servers);
    if (this.#stream === undefined) this.#world.log.event("info", "nats.stream_ready", { stream: status.name, replicas: status.replicas });
    if (because !== undefined && because !== before) this.#world.log.event("warn", "nats.under_replicated", { because });
    this.#stream = status;
    this.#health = because === undefined ? { is: "healthy" } : { is: "degraded", because: `NATS: ${because}` };
  }

  #acknowledged({ subject, body }: BusMessage): void {
    const hostId = hostOfSubject(subject);
    const ack = decodeNatsAck(body);
    if (hostId === undefined || ack === undefined || !this.#heard(hostId)) return;
    this.#opened.peek()?.hub.carrier.acknowledged(hostId, ack.opId);
  }

  #alive({ subject, body }: BusMessage): void {
    const hostId = hostOfSubject(subject);
    const alive = decodeNatsAlive(body);
    if (hostId === undefined || alive === undefined) return;
    if (alive.leaving) this.#opened.peek()?.hub.carrier.left(hostId);
    else this.#heard(hostId);
  }

  /** A sign of life, from a host that belongs to the fleet. */
  #heard(hostId: string): boolean {
    const agents = this.#opened.peek();
    const entry = agents?.hub.hosts.get(hostId);
    if (agents === undefined || entry === undefined || entry.revoked) {
      this.#refused += 1;
      return false;
    }
    agents.lastSeen.heard(entry, this.#world.clock.monoMs());
    agents.hub.carrier.heard(hostId);
    return true;
  }

  #say({ event, because }: { readonly event: "nats.up" | "nats.down"; readonly because?: string }, next: string | undefined): void {
    if (event === "nats.down") this.#world.log.event("warn", event, { because, next });
  }

  metrics(): readonly Metric[] {
    if (this.#settings.nats.urls.length === 0) return [];
    const carrier = this.#opened.peek()?.hub.carrier;
    const counter = (name: string, help: string, value: number): Metric => ({ name, help, type: "counter", samples: [{ value }] });
    return [
      { name: "felhom_hub_nats_hosts", help: "Hosts that are reached over NATS now.", type: "gauge", samples: [{ value: carrier?.attached ?? 0 }] },
      counter("felhom_hub_nats_connections_total", "Connections to NATS servers.", this.#connections),
      counter("felhom_hub_nats_published_total", "Messages with ops that went out.", this.#published),
      counter("felhom_hub_nats_late_total", "Ops that were not acknowledged in time and went by sync.", carrier?.counts.late ?? 0),
      counter("felhom_hub_nats_returns_total", "Signed records taken from the stream.", this.#returns.taken),
      counter("felhom_hub_nats_refused_total", "Messages that were none of this fleet's, or not of the agreed form.", this.#returns.refused + this.#refused),
      {
        name: "felhom_hub_nats_stream_messages",
        help: "Records in the stream that are not in the database yet.",
        type: "gauge",
        samples: [{ value: this.#stream?.messages ?? 0 }],
      },
    ];
  }
}

const natsStreamName = (status: StreamStatus | undefined): string => status?.name ?? "";

function stopped(stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (stop.aborted) resolve();
    else stop.addEventListener("abort", () => resolve(), { once: true });
  });
}
