/** JetStream for a hub: its stream, its durable consumer, and how both stand. See shared/ports/bus.ts for what is promised. */
import {
  AckPolicy,
  type ConsumerInfo,
  type ConsumerMessages,
  DeliverPolicy,
  DiscardPolicy,
  type JetStreamManager,
  JetStreamApiError,
  type JsMsg,
  jetstream,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
  type StreamInfo,
} from "@nats-io/jetstream";
import { type NatsConnection, nanos } from "@nats-io/transport-node";
import { Fault } from "../core/fault.ts";
import type { Consumer, ConsumerStatus, Delivery, Streams, StreamStatus, StreamWanted } from "../ports/bus.ts";
import type { NatsFault } from "./nats-bus.ts";

// Error codes of the server's JetStream API (server/errors.json of nats-server).
const STREAM_NOT_FOUND = 10_059;
const TOO_FEW_SERVERS: readonly number[] = [
  10_074, // replicas > 1 not supported in non-clustered mode
  10_005, // no suitable peers for placement
  10_047, // insufficient storage: it counts the copies
];
/** Asked for ahead of what `take` hands out, so that the next batch is here when one is done. */
const PREFETCH = 1_000;
const EXPIRES_MS = 30_000;
const CONSUMERS_SHOWN_MAX = 64;
/** The server refuses a window above the age limit and takes 0 as its default of two minutes. */
const DUPLICATE_WINDOW_MS = 100;

export async function natsStreams(op: string, connection: NatsConnection, fault: NatsFault): Promise<Streams> {
  const manager = await attempt(() => jetstreamManager(connection, { checkAPI: false }));

  async function attempt<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof JetStreamApiError)
        throw new Fault("unavailable", "Cannot do this with JetStream: the server refused it", { facts: { op, code: error.code }, cause: error });
      throw fault(op, "use JetStream", error);
    }
  }

  return {
    ensure: async (wanted) => {
      // Asked to change a stream, a single server promises copies that it cannot make (2.9.10, seen).
      if (wanted.replicas > 1 && (connection.info?.cluster ?? "") === "") return { is: "too_few_servers" };
      try {
        return { is: "ready", status: streamStatus(await put(manager, wanted)) };
      } catch (error) {
        if (error instanceof JetStreamApiError && wanted.replicas > 1 && TOO_FEW_SERVERS.includes(error.code)) return { is: "too_few_servers" };
        return attempt(() => Promise.reject(error));
      }
    },
    status: (stream) =>
      attempt(async () => {
        const info = await found(() => manager.streams.info(stream));
        if (info === undefined) return undefined;
        const consumers: ConsumerStatus[] = [];
        for await (const one of manager.consumers.list(stream)) {
          if (consumers.length >= CONSUMERS_SHOWN_MAX) break;
          consumers.push(consumerStatus(one));
        }
        return { stream: streamStatus(info), consumers };
      }),
    consume: (stream, { durable, ackWaitMs, unackedMax }) =>
      attempt(async () => {
        await manager.consumers.add(stream, {
          durable_name: durable,
          ack_policy: AckPolicy.Explicit,
          deliver_policy: DeliverPolicy.All,
          ack_wait: nanos(ackWaitMs),
          max_ack_pending: unackedMax,
          max_deliver: -1,
        });
        const consumer = await jetstream(connection).consumers.get(stream, durable);
        const inbox = new Inbox(op, stream, fault);
        inbox.reads(
          await consumer.consume({ max_messages: PREFETCH, expires: EXPIRES_MS, abort_on_missing_resource: true, callback: (message) => inbox.put(message) }),
        );
        return inbox;
      }),
  };
}

async function put(manager: JetStreamManager, wanted: StreamWanted): Promise<StreamInfo> {
  const config: Partial<StreamConfig> & { name: string } = {
    name: wanted.name,
    subjects: [...wanted.subjects],
    storage: StorageType.File,
    retention: RetentionPolicy.Workqueue,
    // A full stream refuses; its senders then go the other way. Discarding the old would lose what somebody believes sent.
    discard: DiscardPolicy.New,
    discard_new_per_subject: true,
    max_msgs_per_subject: wanted.perSubjectMax,
    max_bytes: wanted.bytesMax,
    max_age: nanos(wanted.ageMsMax),
    max_msg_size: wanted.messageBytesMax,
    num_replicas: wanted.replicas,
    duplicate_window: nanos(DUPLICATE_WINDOW_MS),
  };
  const known = await found(() => manager.streams.info(wanted.name));
  if (known === undefined) return manager.streams.add(config);
  const { config: have } = known;
  const isSame =
    have.num_replicas === wanted.replicas &&
    have.max_bytes === wanted.bytesMax &&
    have.max_age === config.max_age &&
    have.max_msg_size === wanted.messageBytesMax &&
    have.max_msgs_per_subject === wanted.perSubjectMax &&
    (have.subjects ?? []).join(" ") === wanted.subjects.join(" ");
  return isSame ? known : manager.streams.update(wanted.name, config);
}

async function found<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === STREAM_NOT_FOUND) return undefined;
    throw error;
  }
}

function streamStatus({ config, state, cluster }: StreamInfo): StreamStatus {
  const others = cluster?.replicas?.filter(({ current, offline }) => current && offline !== true).length ?? 0;
  return {
    name: config.name,
    messages: state.messages,
    bytes: state.bytes,
    replicas: config.num_replicas,
    replicasCurrent: others + 1,
    leader: cluster?.leader,
  };
}

function consumerStatus(info: ConsumerInfo): ConsumerStatus {
  return { name: info.name, pending: info.num_pending, unacked: info.num_ack_pending, redelivered: info.num_redelivered };
}

/** What was delivered and not yet taken; at most what was asked for ahead. */
class Inbox implements Consumer {
  readonly #op: string;
  readonly #stream: string;
  readonly #fault: NatsFault;
  #messages: ConsumerMessages | undefined;
  #waiting: JsMsg[] = [];
  #over: Fault | undefined;
  #wake = Promise.withResolvers<void>();

  constructor(op: string, stream: string, fault: NatsFault) {
    this.#op = op;
    this.#stream = stream;
    this.#fault = fault;
  }

  reads(messages: ConsumerMessages): void {
    this.#messages = messages;
    void messages.closed().then((error) => {
      this.#over = this.#fault(this.#op, `read ${this.#stream}`, error ?? new Error("the consumer has ended"));
      this.#wake.resolve();
    });
  }

  put(message: JsMsg): void {
    this.#waiting.push(message);
    this.#wake.resolve();
  }

  async take(max: number, waitMs: number): Promise<readonly Delivery[]> {
    if (this.#waiting.length === 0 && this.#over === undefined) {
      this.#wake = Promise.withResolvers<void>();
      const timer = setTimeout(this.#wake.resolve, waitMs);
      await this.#wake.promise;
      clearTimeout(timer);
    }
    if (this.#waiting.length === 0 && this.#over !== undefined) throw this.#over;
    return this.#waiting.splice(0, max).map(deliveryOf);
  }

  async end(): Promise<void> {
    await this.#messages?.close();
  }
}

function deliveryOf(message: JsMsg): Delivery {
  return {
    subject: message.subject,
    body: message.data,
    // Read out of the reply's subject when somebody asks.
    get deliveries() {
      return message.info.deliveryCount;
    },
    ack: () => message.ack(),
    later: (delayMs) => message.nak(delayMs),
  };
}
