/**
 * One attachment to NATS, for as long as its credentials hold: connect, listen, answer; when the connection ends, wait and connect again.
 * An op that comes this way is offered to the same ledger as one from a sync, and acknowledged once the ledger has spoken. Answers
 * lie in the outbox before they are sent here, and stay there until a sync is acknowledged: a copy that is lost costs time only.
 * Loaded when it is needed; nothing waits for it, and its failures are its own.
 */
import { type BusLink, type BusLinkEvent, newBusLink, turnBusLink } from "../../../shared/core/bus-link.ts";
import { flatten, isFault } from "../../../shared/core/fault.ts";
import type { Bus } from "../../../shared/ports/bus.ts";
import type { World } from "../../../shared/ports/world.ts";
import { natsSubjects } from "../../../shared/protocol/nats-subjects.ts";
import type { Desk } from "../desk.ts";
import type { OpsDoor } from "../ops/door.ts";
import type { WorkerClient } from "../worker/worker-client.ts";
import { type BoxOnBus, serve } from "./box-on-bus.ts";
import type { NatsGift } from "./nats-desk.ts";

const CONNECT_MS = 10_000;
const PING_MS = 20_000;

export interface Attaching {
  readonly desk: Desk;
  readonly workers: WorkerClient;
  readonly ops: OpsDoor;
  readonly gift: NatsGift;
}

interface Opened {
  credentials?: { readonly jwt: string; readonly seed: string; readonly ca?: string | undefined };
}

/** Ends when `stop` aborts, and never rejects for what the bus did. */
export async function attach(world: World, given: Attaching, stop: AbortSignal): Promise<void> {
  const { desk, gift } = given;
  const { clock, rng, log } = world;
  let link: BusLink = newBusLink(gift.urls.length);
  let event: BusLinkEvent = { on: "due" };
  const opened: Opened = {};
  while (!stop.aborted) {
    const turn = turnBusLink(link, event, clock.monoMs(), rng);
    link = turn.link;
    event = { on: "due" };
    for (const effect of turn.effects) {
      if (stop.aborted) break;
      if (effect.run === "sleep") await clock.sleep(effect.ms, stop);
      else if (effect.run === "log") log.event("warn", effect.event, { because: effect.because, failures: link.failures });
      else
        event = await once(
          world,
          { ...given, opened },
          gift.urls[effect.urlAt] ?? "",
          () => (link = turnBusLink(link, { on: "connected" }, clock.monoMs(), rng).link),
          stop,
        );
    }
  }
  desk.nats.status = { is: "detached", because: "stopped" };
}

async function once(
  world: World,
  given: Attaching & { readonly opened: Opened },
  url: string,
  connected: () => void,
  stop: AbortSignal,
): Promise<BusLinkEvent> {
  const { desk } = given;
  const state: { bus?: Bus } = {};
  try {
    const box = await connect(world, given, url, stop);
    state.bus = box.bus;
    connected();
    return { on: "ended", code: await serve(world, box, stop) };
  } catch (error) {
    if (!isFault(error) || error.code === "disk_failed") throw error;
    // Expired, revoked, or from before a restored hub: the next sync asks for others.
    if (error.code === "denied" || error.code === "net_tls") desk.nats.doubt();
    if (!stop.aborted) world.log.event("warn", "nats.failed", { url, code: error.code }, error);
    desk.nats.status = { is: "detached", because: flatten(error).slice(0, 256) };
    return state.bus === undefined ? { on: "failed", code: error.code } : { on: "ended", code: error.code };
  } finally {
    desk.nats.isCarrying = false;
    await state.bus?.close();
    // What was on its way over the bus goes by sync.
    desk.urgent.ring();
  }
}

async function connect(
  world: World,
  { desk, workers, ops, gift, opened }: Attaching & { readonly opened: Opened },
  url: string,
  stop: AbortSignal,
): Promise<BoxOnBus> {
  await desk.known(stop);
  const { hostId, fleetId } = desk.held ?? {};
  // A worker's work, once for all the connections of this attachment.
  opened.credentials ??= await workers.ask({ op: "unseal", settings: desk.workerSettings(), sealed: gift.sealed }, stop);
  const { jwt, seed, ca } = opened.credentials;
  const subjects = natsSubjects(fleetId ?? "");
  const own = subjects.ofHost(hostId ?? "");
  const bus = await world.buses.connect("nats.attach", {
    url,
    name: hostId ?? "",
    credentials: { jwt, seed },
    inbox: own.inbox,
    timeoutMs: CONNECT_MS,
    pingMs: PING_MS,
    ...(ca === undefined || url.startsWith("nats://") ? {} : { caPem: ca }),
    onRefused: (subject) => world.log.event("warn", "nats.refused", { subject }),
  });
  return { bus, url, broadcast: subjects.broadcast, own, desk, ops };
}
