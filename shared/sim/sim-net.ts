/**
 * The simulated network. A request between two machines becomes a call of the other's handler with a real `Request`, at the
 * moment the weather says, and its `Response` comes back the same way, or not at all. The weather decides per request, from
 * the seed: delays (and so reordering), loss either way, duplicates, refusals, portals that answer in the server's place.
 */
import { Fault } from "../core/fault.ts";
import type { FaultCode } from "../core/fault-code.ts";
import { pinOfPem } from "../edge/spki.ts";
import type { Handler, Listen, Listener, Net, NetReply, NetRequest } from "../ports/net.ts";
import type { Scheduler } from "./scheduler.ts";
import { ProcessDied, type SimProcess } from "./sim-process.ts";

/** What becomes of one request. */
export interface Passage {
  /** `lost`: silence. `refused`: nobody answers at once. `portal`: a stranger answers 200 with a page. */
  readonly request: "arrives" | "lost" | "refused" | "portal";
  readonly requestMs: number;
  /** `cut`: the server did its work and the client never hears of it. */
  readonly reply: "arrives" | "lost" | "cut";
  readonly replyMs: number;
  /** A proxy on the way sends it once more, this much later. */
  readonly againMs?: number;
}

export type Weather = (from: string, to: string) => Passage;

export const FAIR: Weather = () => ({ request: "arrives", requestMs: 1, reply: "arrives", replyMs: 1 });

/** Somebody between server and client who may change what passes. */
export type Tamper = (from: string, to: string, request: Request, answer: () => Promise<Response>) => Promise<Response>;

interface Bound {
  readonly process: SimProcess;
  readonly handler: Handler;
  readonly bodyBytesMax: number;
  readonly pin: string | undefined;
  readonly loopbackOnly: boolean;
  readonly exchanges: Set<Exchange>;
}

/** A machine's place in the network. */
export interface Place {
  readonly name: string;
  readonly address: string;
}

const PORTAL = new TextEncoder().encode("<html><body>Please sign in to use this network</body></html>");

export class SimNetwork {
  readonly scheduler: Scheduler;
  weather: Weather = FAIR;
  tamper: Tamper | undefined;
  /** Requests that were started, by machine. */
  readonly requestsBy = new Map<string, number>();
  readonly #bound = new Map<string, Bound>();
  #nextPort = 40_000;

  constructor(scheduler: Scheduler) {
    this.scheduler = scheduler;
  }

  netFor(process: SimProcess, place: Place): Net {
    return {
      request: async (op, wanted) => {
        const { status, headers, chunks } = await this.#send(process, place, op, wanted, "whole");
        const body = await collect(op, wanted, chunks);
        return { status, headers, body } satisfies NetReply;
      },
      stream: (op, wanted) => this.#send(process, place, op, wanted, "headers"),
      serve: (op, listen, handler) =>
        process.async(op, "serve", (resolve, reject) => {
          try {
            resolve(this.#serve(process, place, listen, handler));
          } catch (error) {
            reject(error);
          }
        }),
    };
  }

  #serve(process: SimProcess, place: Place, listen: Listen, handler: Handler): Listener {
    const port = listen.on === "tcp" ? (listen.port === 0 ? this.#nextPort++ : listen.port) : 0;
    const key = listen.on === "tcp" ? `${place.name}:${port}` : `${place.name}:${listen.path}`;
    const there = this.#bound.get(key);
    if (there?.process.alive === true) throw new Fault("net_unreachable", `Cannot listen on ${key}: EADDRINUSE`);
    const tls = listen.on === "tcp" ? listen.tls : undefined;
    const bound: Bound = {
      process,
      handler,
      bodyBytesMax: listen.bodyBytesMax,
      pin: tls === undefined ? undefined : pinOfPem(tls.certPem),
      loopbackOnly: listen.on === "tcp" && isLoopback(listen.address),
      exchanges: new Set(),
    };
    this.#bound.set(key, bound);
    const close = (): void => {
      if (this.#bound.get(key) === bound) this.#bound.delete(key);
    };
    const cutAll = (): void => {
      for (const exchange of bound.exchanges) exchange.cut();
    };
    process.onDeath(() => {
      close();
      cutAll();
    });
    const host = bound.loopbackOnly ? "127.0.0.1" : place.name;
    return {
      url: listen.on === "tcp" ? `${tls === undefined ? "http" : "https"}://${host}:${port}` : `unix://${listen.path}`,
      port,
      stop: (graceMs) => {
        close();
        return new Promise<void>((resolve) => {
          const end = (): void => {
            cutAll();
            resolve();
          };
          if (bound.exchanges.size === 0) resolve();
          else this.scheduler.after(graceMs, end);
        });
      },
    };
  }

  #find(place: Place, wanted: Pick<NetRequest, "url" | "unix">): { readonly bound: Bound; readonly to: string } | undefined {
    const { hostname, port, protocol } = new URL(wanted.url);
    const to = wanted.unix !== undefined || isLoopback(hostname) ? place.name : hostname;
    const bound = this.#bound.get(`${to}:${wanted.unix ?? (port === "" ? (protocol === "https:" ? "443" : "80") : port)}`);
    if (bound === undefined || !bound.process.alive || (bound.loopbackOnly && to !== place.name)) return undefined;
    return { bound, to };
  }

  #send(process: SimProcess, place: Place, op: string, wanted: Omit<NetRequest, "replyBytesMax">, covers: "whole" | "headers"): Promise<Reply> {
    this.requestsBy.set(place.name, (this.requestsBy.get(place.name) ?? 0) + 1);
    return process.async<Reply>(op, "request", (resolve, reject) => {
      const exchange = new Exchange(this.scheduler, op, wanted, covers, resolve, reject);
      process.onDeath(() => exchange.abandon());
      const target = new URL(wanted.url).hostname;
      const passage = wanted.unix !== undefined || isLoopback(target) ? FAIR(place.name, place.name) : this.weather(place.name, target);
      const arrive = (): void => {
        const found = this.#find(place, wanted);
        if (found === undefined) exchange.fail("net_unreachable", passage.replyMs);
        else if (
          wanted.url.startsWith("https:") !== (found.bound.pin !== undefined) ||
          (found.bound.pin !== undefined && wanted.pins?.includes(found.bound.pin) !== true)
        )
          exchange.fail("net_tls", passage.replyMs);
        else {
          this.#deliver(exchange, found.bound, place, found.to, wanted, passage);
          if (passage.againMs !== undefined)
            this.scheduler.after(passage.againMs, () => this.#deliver(undefined, found.bound, place, found.to, wanted, passage));
        }
      };
      if (passage.request === "refused") exchange.fail("net_unreachable", passage.requestMs);
      else if (passage.request === "portal" && wanted.url.startsWith("https:"))
        exchange.fail("net_tls", passage.requestMs); // it has no key that is pinned
      else if (passage.request === "portal") exchange.answer(new Response(PORTAL, { headers: { "content-type": "text/html" } }), passage.requestMs);
      else if (passage.request === "arrives") this.scheduler.after(passage.requestMs, () => exchange.ended || arrive());
    });
  }

  /** Calls the handler; without an exchange nobody waits for what it says. */
  #deliver(exchange: Exchange | undefined, bound: Bound, place: Place, to: string, wanted: Omit<NetRequest, "replyBytesMax">, passage: Passage): void {
    if (!bound.process.alive) return exchange?.fail("net_unreachable", passage.replyMs);
    const gone = new AbortController();
    if (exchange !== undefined) {
      bound.exchanges.add(exchange);
      exchange.onEnd((why) => {
        bound.exchanges.delete(exchange);
        if (why === "client" && bound.process.alive) this.scheduler.after(passage.requestMs, () => gone.abort());
      });
    }
    const local = wanted.unix !== undefined ? "unix" : to === place.name ? "127.0.0.1" : place.address;
    const answer = (): Promise<Response> => call(bound, wanted, gone.signal, local);
    const request = requestOf(wanted, gone.signal);
    void (this.tamper === undefined ? answer() : this.tamper(place.name, to, request, answer)).then(
      (response) => {
        if (!bound.process.alive || exchange === undefined) return;
        if (passage.reply === "cut") exchange.fail("net_unreachable", passage.replyMs);
        else if (passage.reply === "arrives") exchange.answer(response, passage.replyMs);
      },
      () => exchange?.fail("net_unreachable", passage.replyMs), // the server died
    );
  }
}

async function call(bound: Bound, wanted: Omit<NetRequest, "replyBytesMax">, signal: AbortSignal, address: string): Promise<Response> {
  if ((wanted.body?.byteLength ?? 0) > bound.bodyBytesMax) return new Response(null, { status: 413 });
  try {
    return await bound.handler(requestOf(wanted, signal), { address, hold: () => undefined });
  } catch (error) {
    if (error instanceof ProcessDied) throw error;
    return new Response(null, { status: 500 });
  }
}

function requestOf(wanted: Omit<NetRequest, "replyBytesMax">, signal: AbortSignal): Request {
  const { host } = new URL(wanted.url);
  const length = wanted.body === undefined ? {} : { "content-length": String(wanted.body.byteLength) };
  const headers = { host, ...length, ...wanted.headers };
  return new Request(wanted.url, { method: wanted.method, headers, ...(wanted.body === undefined ? {} : { body: wanted.body.slice() }), signal });
}

interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly chunks: AsyncIterable<Uint8Array>;
}

/** One request and whatever comes of it, exactly once. */
class Exchange {
  readonly #scheduler: Scheduler;
  readonly #wanted: Omit<NetRequest, "replyBytesMax">;
  readonly #op: string;
  readonly #covers: "whole" | "headers";
  readonly #resolve: (reply: Reply) => void;
  readonly #reject: (error: unknown) => void;
  readonly #cancelTimer: () => void;
  readonly #stopped = (): void => this.#end("client", this.#fault("net_unreachable"));
  readonly #onEnd: ((why: "client" | "server") => void)[] = [];
  #reader: { read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>; cancel(): Promise<unknown> } | undefined;
  #failChunks: ((error: Fault) => void) | undefined;
  #ended = false;

  constructor(
    scheduler: Scheduler,
    op: string,
    wanted: Omit<NetRequest, "replyBytesMax">,
    covers: "whole" | "headers",
    resolve: (reply: Reply) => void,
    reject: (error: unknown) => void,
  ) {
    this.#scheduler = scheduler;
    this.#wanted = wanted;
    this.#op = op;
    this.#covers = covers;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#cancelTimer = scheduler.after(wanted.timeoutMs, () => this.#end("client", this.#fault("net_timeout")));
    if (wanted.stop?.aborted === true) this.#stopped();
    else wanted.stop?.addEventListener("abort", this.#stopped);
  }

  get ended(): boolean {
    return this.#ended;
  }

  onEnd(run: (why: "client" | "server") => void): void {
    this.#onEnd.push(run);
  }

  fail(code: FaultCode, afterMs: number): void {
    this.#scheduler.after(afterMs, () => this.#end("server", this.#fault(code)));
  }

  /** The server went away under it. */
  cut(): void {
    this.#end("server", this.#fault("net_unreachable"));
  }

  /** The client went away. */
  abandon(): void {
    this.#end("client", undefined);
  }

  answer(response: Response, afterMs: number): void {
    this.#scheduler.after(afterMs, () => {
      if (this.#ended) return;
      if (this.#covers === "headers") this.#cancelTimer();
      this.#resolve({ status: response.status, headers: Object.fromEntries(response.headers), chunks: this.#chunks(response) });
    });
  }

  async *#chunks(response: Response): AsyncGenerator<Uint8Array> {
    const body: ReadableStream<Uint8Array> | null = response.body;
    this.#reader = body?.getReader();
    const failed = new Promise<never>((_resolve, reject) => {
      this.#failChunks = reject;
    });
    failed.catch(() => undefined);
    try {
      while (this.#reader !== undefined) {
        if (this.#ended) await failed;
        const next = await Promise.race([this.#reader.read(), failed]);
        if (next.value === undefined) break;
        yield next.value;
      }
      this.#end("server", undefined);
    } finally {
      this.#end("client", undefined);
    }
  }

  #fault(code: FaultCode): Fault {
    return new Fault(code, `Cannot reach ${this.#wanted.unix ?? new URL(this.#wanted.url).origin}: simulated`, { facts: { op: this.#op } });
  }

  #end(why: "client" | "server", fault: Fault | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#cancelTimer();
    this.#wanted.stop?.removeEventListener("abort", this.#stopped);
    for (const run of this.#onEnd) run(why);
    if (why === "client") void this.#reader?.cancel().catch(() => undefined);
    if (fault === undefined) return;
    this.#reject(fault);
    this.#failChunks?.(fault);
  }
}

async function collect(op: string, wanted: NetRequest, chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    length += chunk.byteLength;
    if (length > wanted.replyBytesMax) throw new Fault("net_too_large", `Cannot take the answer of ${wanted.url}: too large`, { facts: { op } });
    parts.push(chunk);
  }
  return new Uint8Array(Buffer.concat(parts));
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "[::1]" || host === "::1" || host.startsWith("127.");
}
