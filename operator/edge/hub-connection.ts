import * as z from "zod/mini";
import { backoffMs } from "../../shared/core/backoff.ts";
import { fromUtf8, utf8 } from "../../shared/core/bytes.ts";
import { Fault, isFault } from "../../shared/core/fault.ts";
import { FAULTS, type FaultCode } from "../../shared/core/fault-code.ts";
import type { NetReply, NetRequest } from "../../shared/ports/net.ts";
import type { World } from "../../shared/ports/world.ts";
import { problem } from "../../shared/protocol/problem.ts";
import { REFUSALS } from "../../shared/trust/verdict.ts";

/**
 * One hub's operator API as typed calls: pins, session token, schema on every reply, problem+json turned into a `Fault`. Only safe
 * methods are tried again: a mutation that got no answer may have happened, and only a person or an idempotent caller may repeat it.
 * It believes nothing: what the hub says is a courier's word until an envelope inside it verifies (`verified-fleet.ts`).
 */
export interface Target {
  readonly url: string;
  /** Empty: the system's roots. */
  readonly pins: readonly string[];
  readonly token: string | undefined;
  readonly timeoutMs: number;
  readonly stop: AbortSignal;
}

export interface Asked<S extends z.ZodMiniType> {
  /** Operation name for tests and faults: `hub.hosts.list`. */
  readonly op: string;
  readonly method: NetRequest["method"];
  /** `/api/v1/…`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly body?: unknown;
  readonly bytes?: Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
  readonly reply: S;
  readonly replyBytesMax?: number;
  /** Doing it twice is doing it once: it may go over a connection that is there. Reading always may. */
  readonly isRepeatable?: boolean;
}

const REPLY_BYTES_MAX = 16 * 1024 * 1024;
const ATTEMPTS_MAX = 3;
const RETRY_BACKOFF = { firstMs: 250, maxMs: 4_000 };
const RETRY_AFTER_MS_MAX = 10_000;
const PACED_ATTEMPTS_MAX = 100;

type Reach = Pick<World, "net" | "clock" | "rng">;

export class HubConnection {
  readonly target: Target;
  readonly #world: Reach;

  constructor(world: Reach, target: Target) {
    this.#world = world;
    this.target = target;
  }

  async ask<S extends z.ZodMiniType>(asked: Asked<S>): Promise<z.infer<S>> {
    const reply = await this.reply(asked);
    return decoded(asked, reply);
  }

  /** Status, headers and bytes of a successful reply, for ETags and raw blobs. */
  async reply(asked: Omit<Asked<z.ZodMiniType>, "reply">): Promise<NetReply> {
    const until = this.#world.clock.monoMs() + this.target.timeoutMs;
    for (let attempt = 1; ; attempt += 1) {
      try {
        const leftMs = Math.max(1, until - this.#world.clock.monoMs());
        const reply = await this.#world.net.request(asked.op, this.#request(asked, leftMs));
        if (reply.status >= 200 && reply.status < 300) return reply;
        throw problemFault(asked, reply, this.target);
      } catch (error) {
        const waitMs = mayRepeat(asked.method, error, attempt) ? this.#retryWaitMs(error, attempt) : undefined;
        if (waitMs === undefined || this.#world.clock.monoMs() + waitMs >= until || this.target.stop.aborted) throw explained(error, asked, this.target);
        await this.#world.clock.sleep(waitMs, this.target.stop);
      }
    }
  }

  /** The body as it comes, for event streams. Throws like `reply` when the status is not a success. */
  async stream(asked: Pick<Asked<z.ZodMiniType>, "op" | "path" | "query" | "headers">): Promise<AsyncIterable<Uint8Array>> {
    const request = this.#request({ ...asked, method: "GET" }, this.target.timeoutMs);
    const { replyBytesMax: _unused, ...streamed } = request;
    try {
      const reply = await this.#world.net.stream(asked.op, streamed);
      if (reply.status >= 200 && reply.status < 300) return reply.chunks;
      throw problemFault(asked, { status: reply.status, headers: reply.headers, body: await firstBytes(reply.chunks) }, this.target);
    } catch (error) {
      throw explained(error, { op: asked.op }, this.target);
    }
  }

  #request(asked: Omit<Asked<z.ZodMiniType>, "reply">, timeoutMs: number): NetRequest {
    const body = asked.bytes ?? (asked.body === undefined ? undefined : utf8(JSON.stringify(asked.body)));
    return {
      method: asked.method,
      url: this.target.url.replace(/\/+$/, "") + asked.path + queryText(asked.query),
      headers: {
        accept: "application/json",
        ...(body === undefined ? {} : { "content-type": asked.bytes === undefined ? "application/json" : "application/octet-stream" }),
        ...(this.target.token === undefined ? {} : { authorization: `Bearer ${this.target.token}` }),
        ...asked.headers,
      },
      ...(body === undefined ? {} : { body }),
      timeoutMs,
      replyBytesMax: asked.replyBytesMax ?? REPLY_BYTES_MAX,
      ...(this.target.pins.length === 0 ? {} : { pins: this.target.pins }),
      keep: asked.method === "GET" || asked.isRepeatable === true,
      stop: this.target.stop,
    };
  }

  /** How long to wait before the next try, or `undefined` when trying again is pointless. */
  #retryWaitMs(error: unknown, attempt: number): number | undefined {
    if (!(error instanceof Fault)) return undefined;
    const jitterMs = backoffMs(RETRY_BACKOFF, Math.min(attempt - 1, 4), this.#world.rng);
    if (error.code === "net_unreachable" || error.code === "net_timeout") return jitterMs;
    if (error.code !== "rate_limited" && error.code !== "unavailable" && error.code !== "db_busy") return undefined;
    const asked = error.facts["retry_after_s"];
    return typeof asked === "number" ? Math.max(jitterMs, Math.min(asked * 1_000, RETRY_AFTER_MS_MAX)) : jitterMs;
  }
}

/** A 429 says that nothing was done, so anything may come again, at the hub's pace; all else only where it can't happen twice. */
function mayRepeat(method: NetRequest["method"], error: unknown, attempt: number): boolean {
  return isFault(error, "rate_limited") ? attempt < PACED_ATTEMPTS_MAX : method === "GET" && attempt < ATTEMPTS_MAX;
}

function queryText(query: Asked<z.ZodMiniType>["query"]): string {
  const pairs = Object.entries(query ?? {}).flatMap(([key, value]) =>
    value === undefined ? [] : [`${encodeURIComponent(key)}=${encodeURIComponent(String(value))}`],
  );
  return pairs.length === 0 ? "" : `?${pairs.join("&")}`;
}

function decoded<S extends z.ZodMiniType>(asked: Asked<S>, reply: NetReply): z.infer<S> {
  const json = unwrapped(parsed(reply.body));
  const result = z.safeParse(asked.reply, json);
  if (result.success) return result.data;
  const where = result.error.issues[0];
  throw new Fault(
    "hub_nonsense",
    `Cannot read the hub's answer to ${asked.op}: ${where === undefined ? "not of the agreed form" : `${where.path.join(".")} ${where.message}`}`,
    { facts: { status: reply.status } },
  );
}

/** Single things come as `{ apiVersion, kind, item }`; lists keep their `items` and `next`. */
function unwrapped(json: unknown): unknown {
  return typeof json === "object" && json !== null && "item" in json && "kind" in json ? json.item : json;
}

function parsed(body: Uint8Array): unknown {
  try {
    return body.byteLength === 0 ? null : JSON.parse(fromUtf8(body));
  } catch {
    return undefined; // the schema refuses `undefined` and says what was asked
  }
}

/** RFC 9457 → Fault. The hub's words are shown as its words; the code is one we know, or follows from the status. */
export function problemFault(asked: { readonly op: string }, reply: NetReply, target: Pick<Target, "url">): Fault {
  const result = z.safeParse(problem, parsed(reply.body));
  const said = result.success ? result.data : undefined;
  const code = said !== undefined && isFaultCode(said.code) ? said.code : said !== undefined && said.code in REFUSALS ? "refused" : codeOfStatus(reply.status);
  const header = Number(reply.headers["retry-after"]);
  const retryAfterS = said?.retry_after_s ?? (Number.isFinite(header) && header >= 0 ? header : undefined);
  const detail = said === undefined ? `the hub at ${target.url} answered ${reply.status} to ${asked.op}` : (said.detail ?? said.title);
  const cause = said !== undefined && code === "refused" ? ` (${said.code})` : "";
  return new Fault(code, detail.startsWith("Cannot ") ? detail + cause : `Cannot do that: ${detail}${cause}`, {
    facts: {
      status: reply.status,
      ...(retryAfterS === undefined ? {} : { retry_after_s: retryAfterS }),
      ...(said === undefined ? {} : { hub_code: said.code }),
    },
    ...(said?.remedy === undefined ? {} : { remedy: said.remedy }),
  });
}

function isFaultCode(code: string): code is FaultCode {
  return Object.hasOwn(FAULTS, code);
}

function codeOfStatus(status: number): FaultCode {
  if (status === 401) return "unauthenticated";
  if (status === 403) return "denied";
  if (status === 404) return "not_found";
  if (status === 409 || status === 412) return "conflict";
  if (status === 413) return "too_large";
  if (status === 429) return "rate_limited";
  if (status >= 500) return "unavailable";
  return "hub_nonsense";
}

/** Network faults name the hub, so that the screen does. */
function explained(error: unknown, asked: { readonly op: string }, target: Target): unknown {
  if (isFault(error, "net_unreachable"))
    return new Fault("net_unreachable", `Cannot reach the hub: no connection to ${target.url}`, { cause: error, facts: { ...error.facts, op: asked.op } });
  if (isFault(error, "net_timeout"))
    return new Fault("net_timeout", `Cannot reach the hub: no answer from ${target.url} in time`, { cause: error, facts: { ...error.facts, op: asked.op } });
  if (isFault(error, "net_tls")) return tlsFault(error, asked, target);
  return error;
}

function tlsFault(error: Fault, asked: { readonly op: string }, target: Target): Fault {
  const facts = { ...error.facts, op: asked.op };
  if (target.pins.length === 0)
    return new Fault("net_tls", `Cannot trust the hub: no authority known here vouches for ${target.url}`, {
      cause: error,
      facts,
      remedy: "Give its pin, as the hub printed it when it started: felhom login --hub URL --pin PIN",
    });
  return new Fault("net_tls", `Cannot trust the hub: the key of ${target.url} is not the pinned one`, {
    cause: error,
    facts,
    remedy: "Compare the pin with the one that the hub prints when it starts. Do not go on before you know why they differ.",
  });
}

const PROBLEM_BYTES_MAX = 64 * 1024;

async function firstBytes(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    parts.push(chunk);
    size += chunk.byteLength;
    if (size >= PROBLEM_BYTES_MAX) break;
  }
  return Buffer.concat(parts);
}
