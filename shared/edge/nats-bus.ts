/**
 * The Bus on a real nats-server, by the official client. Loaded on the first connection only (`real-world.ts`): a process that uses no
 * NATS does not pay for it. The client's own reconnecting is off; see shared/ports/bus.ts. A publish to a stream is a request with a
 * JSON answer, so an agent never loads the JetStream client.
 */
import {
  AuthorizationError,
  ClosedConnectionError,
  connect as natsConnect,
  jwtAuthenticator,
  type NatsConnection,
  PermissionViolationError,
  RequestError,
  TimeoutError,
  UserAuthenticationExpiredError,
} from "@nats-io/transport-node";
import { fromUtf8, utf8 } from "../core/bytes.ts";
import { Fault, isFault } from "../core/fault.ts";
import type { Bus, BusMessage, BusOptions } from "../ports/bus.ts";

const PINGS_MISSED_MAX = 2;
const DEFAULT_PORT = 4_222;

export async function connectNats(op: string, options: BusOptions): Promise<Bus> {
  const { host, port, tls } = readUrl(options.url);
  const where = `${host}:${port}`;
  try {
    const connection = await natsConnect({
      servers: where,
      name: options.name,
      authenticator: jwtAuthenticator(options.credentials.jwt, utf8(options.credentials.seed)),
      inboxPrefix: options.inbox,
      reconnect: false,
      ignoreClusterUpdates: true,
      noAsyncTraces: true,
      timeout: options.timeoutMs,
      pingInterval: options.pingMs,
      maxPingOut: PINGS_MISSED_MAX,
      // null: a server without TLS is meant, and one that asks for it is another one.
      tls: tls ? (options.caPem === undefined ? {} : { ca: options.caPem }) : null,
    });
    return new NatsBus(op, where, connection, options.onRefused);
  } catch (error) {
    throw natsFault(op, `connect to ${where}`, error);
  }
}

function readUrl(url: string): { readonly host: string; readonly port: number; readonly tls: boolean } {
  // URL treats unknown schemes as opaque paths in places; the host is read the way it reads any http URL.
  const scheme = /^(nats|tls):\/\//.exec(url)?.[1];
  const rest = url.replace(/^(nats|tls):/, "http:");
  if (scheme === undefined || !URL.canParse(rest))
    throw new Fault("bad_settings", `Cannot use ${url} as a NATS server: it is not nats://host:port or tls://host:port`);
  const { hostname, port } = new URL(rest);
  return { host: hostname, port: port === "" ? DEFAULT_PORT : Number(port), tls: scheme === "tls" };
}

class NatsBus implements Bus {
  readonly closed: Promise<Fault | undefined>;
  readonly server: Bus["server"];
  readonly #op: string;
  readonly #where: string;
  readonly #connection: NatsConnection;
  #closing = false;

  constructor(op: string, where: string, connection: NatsConnection, onRefused: BusOptions["onRefused"]) {
    this.#op = op;
    this.#where = where;
    this.#connection = connection;
    const { info } = connection;
    this.server = {
      name: info?.server_name ?? "",
      version: info?.version ?? "",
      cluster: info?.cluster,
      messageBytesMax: info?.max_payload ?? 0,
    };
    this.closed = connection.closed().then((error) => {
      if (this.#closing) return undefined;
      return natsFault(op, `stay connected to ${where}`, error instanceof Error ? error : new ClosedConnectionError());
    });
    void this.#watch(onRefused);
  }

  /** Ends with the connection. */
  async #watch(onRefused: BusOptions["onRefused"]): Promise<void> {
    for await (const status of this.#connection.status()) {
      if (status.type === "error" && status.error instanceof PermissionViolationError && status.error.operation === "publish")
        onRefused?.(status.error.subject);
    }
  }

  publish(subject: string, body: Uint8Array): void {
    if (body.byteLength > this.server.messageBytesMax)
      throw new Fault("too_large", `Cannot publish ${body.byteLength} bytes: the server takes ${this.server.messageBytesMax}`);
    this.#do("publish", () => this.#connection.publish(subject, body));
  }

  async flush(timeoutMs: number): Promise<void> {
    await this.#within("flush", timeoutMs, this.#connection.flush());
  }

  async subscribe(subject: string, onMessage: (message: BusMessage) => void): Promise<{ end(): void }> {
    const subscription = this.#do("subscribe", () =>
      this.#connection.subscribe(subject, {
        // A refusal ends the subscription, and is told by `closed` below.
        callback: (error, message) => (error === null ? onMessage({ subject: message.subject, body: message.data }) : undefined),
      }),
    );
    // The server answers in order: a refusal has arrived when the round trip is over.
    const refused = subscription.closed.then((error) => (error instanceof Error ? error : new ClosedConnectionError()));
    const settled = await Promise.race([refused, this.#connection.flush().then(() => undefined, toError)]);
    if (settled !== undefined) throw natsFault(this.#op, `listen to ${subject}`, settled);
    return { end: () => void (subscription.isClosed() || subscription.unsubscribe()) };
  }

  async request(subject: string, body: Uint8Array, timeoutMs: number): Promise<BusMessage> {
    if (body.byteLength > this.server.messageBytesMax)
      throw new Fault("too_large", `Cannot publish ${body.byteLength} bytes: the server takes ${this.server.messageBytesMax}`);
    try {
      const answer = await this.#connection.request(subject, body, { timeout: timeoutMs });
      return { subject: answer.subject, body: answer.data };
    } catch (error) {
      throw natsFault(this.#op, `ask ${subject}`, error);
    }
  }

  async publishDurable(subject: string, body: Uint8Array, timeoutMs: number): Promise<{ readonly stream: string; readonly seq: number }> {
    const answer = await this.request(subject, body, timeoutMs);
    const said = jsonOf(answer.body);
    const { stream, seq, error } = said;
    if (typeof stream === "string" && typeof seq === "number" && error === undefined) return { stream, seq };
    throw new Fault("unavailable", `Cannot keep what was sent to ${subject}: the stream refused it`, { facts: { op: this.#op, code: errorCode(error) } });
  }

  async streams() {
    const { natsStreams } = await import("./nats-streams.ts");
    return natsStreams(this.#op, this.#connection, natsFault);
  }

  async close(): Promise<void> {
    this.#closing = true;
    await this.#connection.close();
  }

  #do<T>(what: string, work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw natsFault(this.#op, `${what} at ${this.#where}`, error);
    }
  }

  async #within(what: string, timeoutMs: number, work: Promise<void>): Promise<void> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => late.reject(new Fault("net_timeout", `Cannot ${what} at ${this.#where}: no answer within ${timeoutMs} ms`)), timeoutMs);
    try {
      await Promise.race([work, late.promise]);
    } catch (error) {
      throw natsFault(this.#op, `${what} at ${this.#where}`, error);
    } finally {
      clearTimeout(timer);
    }
  }
}

const toError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));

function jsonOf(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(fromUtf8(bytes));
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch {
    return {}; // not a stream's answer: refused by the caller for want of its fields
  }
}

function errorCode(error: unknown): number {
  const code: unknown = typeof error === "object" && error !== null ? Reflect.get(error, "err_code") : undefined;
  return typeof code === "number" ? code : 0;
}

export type NatsFault = typeof natsFault;

function natsFault(op: string, what: string, error: unknown): Fault {
  if (isFault(error)) return error;
  const cause = toError(error);
  const facts = { op, reason: cause.message.slice(0, 200) };
  const told = (code: "denied" | "net_timeout" | "net_tls" | "net_unreachable" | "unavailable", why: string) =>
    new Fault(code, `Cannot ${what}: ${why}`, { facts, cause });
  for (let at: unknown = cause, depth = 0; at instanceof Error && depth < 4; at = at.cause, depth += 1) {
    if (at instanceof PermissionViolationError) return told("denied", "the credentials do not reach that subject");
    if (at instanceof UserAuthenticationExpiredError) return told("denied", "the credentials have expired");
    if (at instanceof AuthorizationError) return told("denied", "the server refused the credentials");
    if (at instanceof RequestError && at.isNoResponders()) return told("unavailable", "nobody listens there");
    if (at instanceof TimeoutError) return told("net_timeout", "no answer in time");
    const code: unknown = Reflect.get(at, "code");
    if (typeof code === "string" && /CERT|TLS|SSL|SELF_SIGNED|ALTNAME|UNABLE_TO/.test(code)) return told("net_tls", code);
  }
  return told("net_unreachable", "there is no connection");
}
