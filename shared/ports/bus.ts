/**
 * A message bus as felhom uses it (NATS with JetStream): publish, subscribe, ask, publish durably, take from a durable consumer.
 * A connection is made once and ends once: nothing reconnects behind the caller's back, so that every wait between two tries is
 * the caller's own, jittered and logged. What comes over a bus is a copy or a wake-up and is believed by nobody.
 *
 * Throws a `Fault`: `net_unreachable` (no connection, or it ended), `net_timeout`, `net_tls`, `denied` (credentials or a subject
 * that they do not reach), `unavailable` (nobody there answers, or the server refused), `too_large`.
 */
import type { Fault } from "../core/fault.ts";

export interface Buses {
  connect(op: string, options: BusOptions): Promise<Bus>;
}

export interface BusOptions {
  /** `tls://host:port`, or `nats://host:port` without TLS. One server: the caller goes through its list. */
  readonly url: string;
  /** Shown in the server's list of connections. */
  readonly name: string;
  readonly credentials: BusCredentials;
  /** Replies come to subjects below this one; the credentials must allow listening there. */
  readonly inbox: string;
  /** PEM of what the server's certificate is checked against; absent: the system's authorities. */
  readonly caPem?: string;
  readonly timeoutMs: number;
  /** How often an idle connection is probed; two answers missing end it. */
  readonly pingMs: number;
  /** A publish that the server refused: it says so late, and names only the subject. */
  readonly onRefused?: (subject: string) => void;
}

export interface BusCredentials {
  readonly jwt: string;
  /** The user's NKey seed, `SU…`. */
  readonly seed: string;
}

export interface BusServer {
  readonly name: string;
  readonly version: string;
  readonly cluster: string | undefined;
  readonly messageBytesMax: number;
}

export interface BusMessage {
  readonly subject: string;
  readonly body: Uint8Array;
}

export interface Bus {
  readonly server: BusServer;
  /** Resolves when the connection has ended: with the reason, or with undefined after `close`. */
  readonly closed: Promise<Fault | undefined>;
  /** Hands over to the connection; `flush` says when the server has it. Throws when it is over, or when `body` is above what the server takes. */
  publish(subject: string, body: Uint8Array): void;
  /** Everything published before has reached the server. */
  flush(timeoutMs: number): Promise<void>;
  /** Resolves once the server has taken it; throws `denied` when it does not. */
  subscribe(subject: string, onMessage: (message: BusMessage) => void): Promise<{ end(): void }>;
  request(subject: string, body: Uint8Array, timeoutMs: number): Promise<BusMessage>;
  /** Resolves once a stream has it on disk. */
  publishDurable(subject: string, body: Uint8Array, timeoutMs: number): Promise<{ readonly stream: string; readonly seq: number }>;
  /** JetStream, for who manages and reads streams. Loads its client on the first use. */
  streams(): Promise<Streams>;
  close(): Promise<void>;
}

export interface StreamWanted {
  readonly name: string;
  readonly subjects: readonly string[];
  readonly bytesMax: number;
  readonly ageMsMax: number;
  readonly messageBytesMax: number;
  /** Messages kept per subject: a single sender cannot fill the stream. */
  readonly perSubjectMax: number;
  readonly replicas: number;
}

export interface StreamStatus {
  readonly name: string;
  readonly messages: number;
  readonly bytes: number;
  readonly replicas: number;
  /** Copies that are there and up to date, the leader included. */
  readonly replicasCurrent: number;
  readonly leader: string | undefined;
}

export interface ConsumerStatus {
  readonly name: string;
  /** Not yet given to it: its lag. */
  readonly pending: number;
  readonly unacked: number;
  readonly redelivered: number;
}

export interface Streams {
  /** Creates or updates the stream; `too_few_servers` when the cluster cannot hold that many replicas. Messages are removed once they are acknowledged. */
  ensure(wanted: StreamWanted): Promise<{ readonly is: "ready"; readonly status: StreamStatus } | { readonly is: "too_few_servers" }>;
  /** `undefined` when there is no such stream; any other failure throws. */
  status(stream: string): Promise<{ readonly stream: StreamStatus; readonly consumers: readonly ConsumerStatus[] } | undefined>;
  /** Creates the durable consumer when it is not there, and begins to read. */
  consume(stream: string, wanted: { readonly durable: string; readonly ackWaitMs: number; readonly unackedMax: number }): Promise<Consumer>;
}

export interface Consumer {
  /** Whatever is there, at most `max`; waits for the first one up to `waitMs`; then empty. Throws when the stream or consumer is gone. */
  take(max: number, waitMs: number): Promise<readonly Delivery[]>;
  end(): Promise<void>;
}

export interface Delivery extends BusMessage {
  /** 1 the first time. */
  readonly deliveries: number;
  ack(): void;
  /** Offer it again, not before `delayMs`. */
  later(delayMs: number): void;
}
