/** What a box does while it is connected: hears ops, acknowledges them, sends its answers and signs of life. Every queue here is bounded; what does not fit goes by sync. */
import { utf8 } from "../../../shared/core/bytes.ts";
import { Signal } from "../../../shared/core/signal.ts";
import { isFault } from "../../../shared/core/fault.ts";
import type { Bus, BusMessage } from "../../../shared/ports/bus.ts";
import type { World } from "../../../shared/ports/world.ts";
import { decodeNatsOp, encodeNatsAck, encodeNatsAlive, encodeNatsReturn } from "../../../shared/protocol/nats-messages.ts";
import type { NatsSubjects } from "../../../shared/protocol/nats-subjects.ts";
import type { Desk } from "../desk.ts";
import type { OpsDoor } from "../ops/door.ts";
import type { Offered } from "../ops/offers.ts";
import { newestReturnSeq, returnsAfter } from "../store/outbox-store.ts";

/** Below what the hub takes for gone, with room for one that is lost. */
const ALIVE_MS = 30_000;
const ASKED_SPREAD_MS = 2_000;
const OPS_WAITING_MAX = 256;
const RETURNS_PER_READ = 32;
const RETURN_MS = 2_000;
/** As long as the hub waits for an acknowledgement of an op; up to twice, so that a fleet's syncs do not meet. */
const RETURN_WINDOW_MS = 5_000;
/** After an answer that the stream did not take, answers go by sync for a while. */
const STREAM_REST_MS = 10_000;
const LEAVE_MS = 1_000;

export interface BoxOnBus {
  readonly bus: Bus;
  readonly url: string;
  readonly broadcast: string;
  readonly own: ReturnType<NatsSubjects["ofHost"]>;
  readonly desk: Desk;
  readonly ops: OpsDoor;
}

/** Until the connection ends or `stop` aborts. Says why. */
export async function serve(world: World, box: BoxOnBus, stop: AbortSignal): Promise<string> {
  const { bus, desk, own, url } = box;
  const asked = new Signal();
  const heard = new OpsHeard(world, box, asked);
  await bus.subscribe(box.broadcast, (message) => heard.put(message));
  await bus.subscribe(own.op, (message) => heard.put(message));
  desk.nats.status = { is: "attached", url, server: bus.server.name, sinceMs: world.clock.wallMs() };
  world.log.event("info", "nats.attached", { url, server: bus.server.name });
  const over = new AbortController();
  const end = (): void => over.abort();
  stop.addEventListener("abort", end);
  if (stop.aborted) end();
  const loops = [alive(world, box, asked, over.signal), answers(world, box, over.signal)];
  try {
    const stopped = new Promise<string>((resolve) => over.signal.addEventListener("abort", () => resolve("stopped"), { once: true }));
    const ended = await Promise.race([bus.closed.then((fault) => fault ?? "closed"), stopped, ...loops.map((loop) => loop.then(() => "stopped"))]);
    if (typeof ended !== "string") throw ended;
    return ended;
  } finally {
    if (stop.aborted) await leave(bus, own.alive);
    end();
    stop.removeEventListener("abort", end);
    await Promise.allSettled(loops);
    await heard.settled();
  }
}

/** Ops in the order in which they came, one after the other: the ledger takes them so. */
class OpsHeard {
  readonly #world: World;
  readonly #box: BoxOnBus;
  readonly #asked: Signal;
  readonly #never = new AbortController().signal;
  #waiting = 0;
  #lane: Promise<void> = Promise.resolve();

  constructor(world: World, box: BoxOnBus, asked: Signal) {
    this.#world = world;
    this.#box = box;
    this.#asked = asked;
  }

  put({ body }: BusMessage): void {
    const message = decodeNatsOp(body);
    if (message === undefined) return this.#world.log.event("warn", "nats.refused", { what: "op", bytes: body.byteLength });
    const { envelope } = message;
    if (envelope === undefined) return this.#asked.ring();
    // Not acknowledged, so the sync brings it.
    if (this.#waiting >= OPS_WAITING_MAX) return this.#world.log.event("warn", "nats.refused", { what: "op", because: "too many are waiting" });
    this.#waiting += 1;
    this.#lane = this.#lane.then(() => this.#offer(envelope)).finally(() => (this.#waiting -= 1));
  }

  settled(): Promise<void> {
    return this.#lane;
  }

  async #offer(envelope: Uint8Array): Promise<void> {
    try {
      const opId = settledId(await this.#box.ops.offer(envelope, "nats"));
      // What is answered at once goes first: somebody waits for the answer, and the hub has seconds for the acknowledgement.
      await this.#world.clock.sleep(0, this.#never);
      if (opId !== undefined) this.#box.bus.publish(this.#box.own.ack, encodeNatsAck({ opId }));
    } catch (error) {
      // Not acknowledged: the sync brings it again, and says what is wrong where that is handled.
      this.#world.log.event("warn", "nats.failed", { what: "op", code: isFault(error) ? error.code : "internal" }, error);
    }
  }
}

/** The box has an answer to this op, or will have one. What it was not meant by, or could not read, it says nothing to. */
function settledId(offered: Offered): string | undefined {
  switch (offered.is) {
    case "admitted":
    case "known":
    case "busy":
      return offered.opId;
    case "refused":
      return offered.code === "op_target_mismatch" ? undefined : offered.opId;
  }
}

/** At once, then every half minute, and when the hub asks: it has just come, and asks everybody at the same time. */
async function alive({ clock, rng }: World, { bus, own }: BoxOnBus, asked: Signal, stop: AbortSignal): Promise<void> {
  while (!stop.aborted) {
    bus.publish(own.alive, encodeNatsAlive({ leaving: false }));
    await asked.within(Math.round(ALIVE_MS * (0.8 + rng.next() * 0.4)), (ms, until) => clock.sleep(ms, until), stop);
    await clock.sleep(rng.int(ASKED_SPREAD_MS), stop);
  }
}

/**
 * Copies of answers, as they come into the outbox; those from before the connection go by sync. The hub does not say over the bus what it
 * has stored, so a sync follows some seconds later: it brings the same rows, is acknowledged, and the outbox lets them go.
 */
async function answers(world: World, { bus, own, desk }: BoxOnBus, stop: AbortSignal): Promise<void> {
  const { clock, rng, log } = world;
  let copied = desk.store.use(newestReturnSeq);
  let syncAtMs: number | undefined;
  desk.nats.isCarrying = true;
  while (!stop.aborted) {
    if (syncAtMs === undefined) await desk.nats.answered.next(stop);
    else await desk.nats.answered.within(Math.max(1, syncAtMs - clock.monoMs()), (ms, until) => clock.sleep(ms, until), stop);
    if (syncAtMs !== undefined && clock.monoMs() >= syncAtMs) {
      syncAtMs = undefined;
      desk.urgent.ring();
    }
    for (;;) {
      const from = copied;
      const rows = desk.store.use((database) => returnsAfter(database, from, RETURNS_PER_READ));
      const last = rows.at(-1);
      if (last === undefined || stop.aborted) break;
      copied = last.seq;
      syncAtMs ??= clock.monoMs() + Math.round(RETURN_WINDOW_MS * (1 + rng.next()));
      const sent = await Promise.all(rows.map(({ body }) => copyOf(bus, own.return, body)));
      if (sent.every(Boolean)) continue;
      log.event("warn", "nats.failed", { what: "return", rows: sent.filter((isSent) => !isSent).length });
      desk.nats.isCarrying = false;
      desk.urgent.ring();
      await clock.sleep(STREAM_REST_MS, stop);
      if (stop.aborted) return;
      copied = desk.store.use(newestReturnSeq);
      desk.nats.isCarrying = true;
    }
  }
}

/** False: the stream does not have it, for whatever reason. */
async function copyOf(bus: Bus, subject: string, body: string): Promise<boolean> {
  try {
    await bus.publishDurable(subject, encodeNatsReturn({ envelope: utf8(body) }), RETURN_MS);
    return true;
  } catch (error) {
    if (!isFault(error)) throw error;
    return false; // the caller says so, once for all of them, and the sync carries it
  }
}

/** So that the hub does not send here what nobody hears. A courtesy: the ack window ends that too. */
async function leave(bus: Bus, subject: string): Promise<void> {
  try {
    bus.publish(subject, encodeNatsAlive({ leaving: true }));
    await bus.flush(LEAVE_MS);
  } catch (error) {
    if (!isFault(error)) throw error;
  }
}
