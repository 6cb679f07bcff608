/**
 * A bus server in memory, with a server's manners: permissions and life of a connection are read from its token, streams keep what is not
 * acknowledged, `kill` ends every connection, `loseStreams` forgets everything that was kept. Delivery takes a turn of the event loop.
 * Signatures of tokens are not checked: the contract suite and the permissions test do that with a real server.
 */
import { fromUtf8, utf8 } from "../core/bytes.ts";
import { Fault } from "../core/fault.ts";
import type { Bus, Buses, BusMessage, BusOptions, Consumer, Delivery, Streams, StreamStatus, StreamWanted } from "../ports/bus.ts";
import type { Clock } from "../ports/clock.ts";

const MESSAGE_BYTES_MAX = 2 * 1024 * 1024;

interface Claims {
  readonly expiresAtMs: number;
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
  readonly messageBytesMax: number;
}

interface Kept {
  readonly seq: number;
  readonly subject: string;
  readonly body: Uint8Array;
  deliveries: number;
  /** Not offered before this; Infinity while a consumer has it and its time runs. */
  notBeforeMs: number;
}

interface Stream {
  readonly wanted: StreamWanted;
  readonly kept: Map<number, Kept>;
  next: number;
  readonly consumers: Set<string>;
}

export class SimBusServer {
  readonly #clock: Clock;
  readonly #connections = new Set<SimBus>();
  readonly streams = new Map<string, Stream>();
  #up = true;
  /** Messages that are lost on the way, as a broken network loses them. */
  drops: ((message: BusMessage) => boolean) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  readonly buses: Buses = {
    connect: async (_op, options) => {
      await Promise.resolve();
      if (!this.#up) throw new Fault("net_unreachable", `Cannot connect to ${options.url}: there is no connection`);
      const bus = new SimBus(this, options, this.#clock);
      this.#connections.add(bus);
      return bus;
    },
  };

  get connections(): number {
    return this.#connections.size;
  }

  kill(): void {
    this.#up = false;
    for (const bus of this.#connections) bus.cut(new Fault("net_unreachable", "Cannot stay connected: the server is gone"));
    this.#connections.clear();
  }

  start(): void {
    this.#up = true;
  }

  loseStreams(): void {
    this.streams.clear();
  }

  gone(bus: SimBus): void {
    this.#connections.delete(bus);
  }

  /** Streams first, as a server does: what is told to listeners is kept already. */
  route(message: BusMessage): { readonly stream: string; readonly seq: number } | "refused" | undefined {
    if (this.drops?.(message) === true) return undefined;
    const stream = [...this.streams.values()].find(({ wanted }) => wanted.subjects.some((pattern) => matches(pattern, message.subject)));
    const kept = stream === undefined ? undefined : keep(stream, message);
    for (const bus of this.#connections) bus.hear(message);
    return kept;
  }

  nowMs(): number {
    return this.#clock.monoMs();
  }
}

function keep(stream: Stream, { subject, body }: BusMessage): { readonly stream: string; readonly seq: number } | "refused" {
  const { wanted, kept } = stream;
  const ofSubject = [...kept.values()].filter((one) => one.subject === subject).length;
  const bytes = [...kept.values()].reduce((sum, one) => sum + one.body.byteLength, 0);
  if (ofSubject >= wanted.perSubjectMax || body.byteLength > wanted.messageBytesMax || bytes + body.byteLength > wanted.bytesMax) return "refused";
  const seq = stream.next;
  stream.next += 1;
  kept.set(seq, { seq, subject, body, deliveries: 0, notBeforeMs: 0 });
  return { stream: wanted.name, seq };
}

class SimBus implements Bus {
  readonly closed: Promise<Fault | undefined>;
  readonly server = { name: "sim", version: "2.9.10", cluster: undefined, messageBytesMax: MESSAGE_BYTES_MAX };
  readonly #server: SimBusServer;
  readonly #options: BusOptions;
  readonly #claims: Claims;
  readonly #listeners = new Set<{ readonly pattern: string; readonly onMessage: (message: BusMessage) => void }>();
  readonly #over = Promise.withResolvers<Fault | undefined>();
  readonly #life = new AbortController();
  readonly #clock: Clock;

  constructor(server: SimBusServer, options: BusOptions, clock: Clock) {
    this.#server = server;
    this.#options = options;
    this.#clock = clock;
    this.#claims = claimsOf(options.credentials.jwt);
    this.server.messageBytesMax = Math.min(MESSAGE_BYTES_MAX, this.#claims.messageBytesMax);
    this.closed = this.#over.promise;
    const leftMs = this.#claims.expiresAtMs - clock.wallMs();
    if (leftMs <= 0) throw new Fault("denied", `Cannot connect to ${options.url}: the credentials have expired`);
    void clock.sleep(leftMs, this.#life.signal).then(() => {
      if (!this.#life.signal.aborted) this.cut(new Fault("denied", "Cannot stay connected: the credentials have expired"));
    });
  }

  publish(subject: string, body: Uint8Array): void {
    this.#send(subject, body);
  }

  async flush(): Promise<void> {
    this.#alive();
    await turn();
    this.#alive();
  }

  async subscribe(pattern: string, onMessage: (message: BusMessage) => void): Promise<{ end(): void }> {
    this.#alive();
    await turn();
    if (!this.#claims.subscribe.some((allowed) => covers(allowed, pattern)))
      throw new Fault("denied", `Cannot listen to ${pattern}: the credentials do not reach it`);
    const listener = { pattern, onMessage };
    this.#listeners.add(listener);
    return { end: () => void this.#listeners.delete(listener) };
  }

  async request(subject: string, body: Uint8Array, timeoutMs: number): Promise<BusMessage> {
    const kept = this.#send(subject, body);
    await turn();
    this.#alive();
    if (kept === "denied") throw new Fault("denied", `Cannot ask ${subject}: the credentials do not reach it`);
    if (kept === undefined) throw new Fault("unavailable", `Cannot ask ${subject}: nobody listens there within ${timeoutMs} ms`);
    const said = kept === "refused" ? { error: { err_code: 10_077 } } : kept;
    return { subject: `${this.#options.inbox}.1`, body: utf8(JSON.stringify(said)) };
  }

  async publishDurable(subject: string, body: Uint8Array, timeoutMs: number): Promise<{ readonly stream: string; readonly seq: number }> {
    const answer: unknown = JSON.parse(fromUtf8((await this.request(subject, body, timeoutMs)).body));
    if (typeof answer === "object" && answer !== null && "stream" in answer && "seq" in answer)
      return { stream: String(answer.stream), seq: Number(answer.seq) };
    throw new Fault("unavailable", `Cannot keep what was sent to ${subject}: the stream refused it`);
  }

  streams(): Promise<Streams> {
    this.#alive();
    return Promise.resolve(simStreams(this.#server, this.#clock, () => this.#alive(), this.#life.signal));
  }

  close(): Promise<void> {
    this.#end(undefined);
    return Promise.resolve();
  }

  cut(fault: Fault): void {
    this.#end(fault);
  }

  hear(message: BusMessage): void {
    for (const { pattern, onMessage } of this.#listeners)
      if (matches(pattern, message.subject)) void turn().then(() => (this.#life.signal.aborted ? undefined : onMessage(message)));
  }

  #send(subject: string, body: Uint8Array): ReturnType<SimBusServer["route"]> | "denied" {
    this.#alive();
    if (body.byteLength > this.server.messageBytesMax) throw new Fault("too_large", `Cannot publish ${body.byteLength} bytes`);
    if (this.#claims.publish.some((allowed) => matches(allowed, subject))) return this.#server.route({ subject, body });
    void turn().then(() => this.#options.onRefused?.(subject));
    return "denied";
  }

  #alive(): void {
    if (this.#life.signal.aborted) throw new Fault("net_unreachable", "Cannot use this connection: it is over");
  }

  #end(fault: Fault | undefined): void {
    if (this.#life.signal.aborted) return;
    this.#life.abort();
    this.#server.gone(this);
    this.#over.resolve(fault);
  }
}

function simStreams(server: SimBusServer, clock: Clock, alive: () => void, over: AbortSignal): Streams {
  const find = (name: string): Stream => {
    alive();
    const stream = server.streams.get(name);
    if (stream === undefined) throw new Fault("unavailable", `Cannot use the stream ${name}: it is not there`);
    return stream;
  };
  return {
    ensure: (wanted) => {
      alive();
      if (wanted.replicas > 1) return Promise.resolve({ is: "too_few_servers" });
      const known = server.streams.get(wanted.name);
      const stream: Stream = { wanted, kept: known?.kept ?? new Map(), next: known?.next ?? 1, consumers: known?.consumers ?? new Set() };
      server.streams.set(wanted.name, stream);
      return Promise.resolve({ is: "ready", status: statusOf(stream) });
    },
    status: (name) => {
      alive();
      const stream = server.streams.get(name);
      if (stream === undefined) return Promise.resolve(undefined);
      const waiting = [...stream.kept.values()].filter(({ deliveries }) => deliveries === 0).length;
      const consumers = [...stream.consumers].map((consumer) => ({ name: consumer, pending: waiting, unacked: stream.kept.size - waiting, redelivered: 0 }));
      return Promise.resolve({ stream: statusOf(stream), consumers });
    },
    consume: (name, { durable, ackWaitMs }) => {
      find(name).consumers.add(durable);
      return Promise.resolve(simConsumer({ server, clock, over, find: () => find(name), ackWaitMs }));
    },
  };
}

interface Consuming {
  readonly server: SimBusServer;
  readonly clock: Clock;
  readonly over: AbortSignal;
  readonly find: () => Stream;
  readonly ackWaitMs: number;
}

function simConsumer({ server, clock, over, find, ackWaitMs }: Consuming): Consumer {
  const ended = new AbortController();
  const due = (): Kept[] => [...find().kept.values()].filter(({ notBeforeMs }) => notBeforeMs <= server.nowMs());
  return {
    take: async (max, waitMs) => {
      const untilMs = server.nowMs() + waitMs;
      for (;;) {
        if (ended.signal.aborted) throw new Fault("net_unreachable", "Cannot read: the consumer has ended");
        const ready = due().slice(0, max);
        if (ready.length > 0 || server.nowMs() >= untilMs) return ready.map((kept) => delivery(find(), kept, server, ackWaitMs));
        await clock.sleep(Math.min(50, untilMs - server.nowMs()), AbortSignal.any([over, ended.signal]));
      }
    },
    end: () => {
      ended.abort();
      return Promise.resolve();
    },
  };
}

function delivery(stream: Stream, kept: Kept, server: SimBusServer, ackWaitMs: number): Delivery {
  kept.deliveries += 1;
  kept.notBeforeMs = server.nowMs() + ackWaitMs;
  return {
    subject: kept.subject,
    body: kept.body,
    deliveries: kept.deliveries,
    ack: () => void stream.kept.delete(kept.seq),
    later: (delayMs) => {
      kept.notBeforeMs = server.nowMs() + delayMs;
    },
  };
}

const statusOf = ({ wanted, kept }: Stream): StreamStatus => ({
  name: wanted.name,
  messages: kept.size,
  bytes: [...kept.values()].reduce((sum, { body }) => sum + body.byteLength, 0),
  replicas: wanted.replicas,
  replicasCurrent: wanted.replicas,
  leader: undefined,
});

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A subject against a pattern with `*` and `>`. */
export function matches(pattern: string, subject: string): boolean {
  const [wanted, given] = [pattern.split("."), subject.split(".")];
  for (const [at, part] of wanted.entries()) {
    if (part === ">") return given.length > at;
    if (given[at] === undefined || (part !== "*" && part !== given[at])) return false;
  }
  return wanted.length === given.length;
}

/** Is every subject that `pattern` means among those that `allowed` means? */
function covers(allowed: string, pattern: string): boolean {
  const [outer, inner] = [allowed.split("."), pattern.split(".")];
  for (const [at, part] of outer.entries()) {
    if (part === ">") return inner.length > at;
    if (inner[at] === undefined || inner[at] === ">" || (part !== "*" && (inner[at] === "*" || part !== inner[at]))) return false;
  }
  return outer.length === inner.length;
}

function claimsOf(jwt: string): Claims {
  const [, middle = ""] = jwt.split(".");
  const claims: unknown = JSON.parse(Buffer.from(middle, "base64url").toString());
  const { exp, nats } = claims as { exp?: number; nats: { pub: { allow: string[] }; sub: { allow: string[] }; payload: number } };
  return {
    expiresAtMs: exp === undefined ? Number.POSITIVE_INFINITY : exp * 1_000,
    publish: nats.pub.allow,
    subscribe: nats.sub.allow,
    messageBytesMax: nats.payload < 0 ? MESSAGE_BYTES_MAX : nats.payload,
  };
}
