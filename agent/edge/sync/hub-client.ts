/** HTTP to a hub, for syncing and enrolling: JSON in, JSON out, problems as data. A status is never a throw; only the network throws. */
import { fromUtf8, utf8 } from "../../../shared/core/bytes.ts";
import { Fault } from "../../../shared/core/fault.ts";
import type { NetReply, NetRequest } from "../../../shared/ports/net.ts";
import type { World } from "../../../shared/ports/world.ts";
import { isPlain, isText, parseJson } from "../../../shared/protocol/plain-json.ts";

export type Answer<T> =
  | { readonly is: "ok"; readonly value: T }
  | { readonly is: "problem"; readonly status: number; readonly code: string; readonly detail: string; readonly retryAfterMs: number | undefined };

export interface HubRequest<T> {
  readonly op: string;
  readonly method: "GET" | "POST";
  readonly url: string;
  readonly path: string;
  readonly pins: readonly string[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** `undefined`: this is not what a hub says. */
  readonly decode: (value: unknown) => T | undefined;
  readonly timeoutMs: number;
  readonly replyBytesMax: number;
  readonly stop: AbortSignal;
  /** See `NetRequest`: only for what may come twice. */
  readonly keep?: boolean;
}

/** Throws the `net_…` faults of the port, and `net_unreachable` for a 2xx that is not what a hub says: some box in between answered. */
export async function askHub<T>(world: World, request: HubRequest<T>): Promise<Answer<T>> {
  assertSafe(request.url);
  const reply = await world.net.request(request.op, toNet(request));
  if (reply.status < 200 || reply.status > 299) return toProblem(reply, world.clock.wallMs());
  const value = request.decode(jsonOf(reply.body));
  if (value === undefined) throw new Fault("net_unreachable", `Cannot use the answer of ${request.url}: it is not a hub's`);
  return { is: "ok", value };
}

/** TLS is mandatory but to this machine itself. */
export function assertSafe(url: string): void {
  const { protocol, hostname } = new URL(url);
  if (protocol === "https:" || (protocol === "http:" && isLoopback(hostname))) return;
  throw new Fault("bad_settings", `Cannot use ${url}: it has no TLS`, { remedy: `use https://${hostname}` });
}

export function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127(?:\.\d{1,3}){3}$/.test(hostname);
}

export function joinUrl(base: string, path: string): string {
  return `${base.replace(/\/+$/, "")}${path}`;
}

function toNet<T>(request: HubRequest<T>): NetRequest {
  const json = request.body === undefined ? {} : { body: utf8(JSON.stringify(request.body)) };
  return {
    method: request.method,
    url: joinUrl(request.url, request.path),
    headers: { accept: "application/json", ...(request.body === undefined ? {} : { "content-type": "application/json" }), ...request.headers },
    ...json,
    timeoutMs: request.timeoutMs,
    replyBytesMax: request.replyBytesMax,
    ...(request.pins.length === 0 ? {} : { pins: request.pins }),
    stop: request.stop,
    keep: request.keep === true,
  };
}

function toProblem(reply: NetReply, nowMs: number): Extract<Answer<never>, { readonly is: "problem" }> {
  const body = jsonOf(reply.body);
  const said = isPlain(body) ? body : {};
  const seconds = said["retry_after_s"];
  const text = (name: string, max: number): string | undefined => (isText(said[name], max) ? said[name] : undefined);
  return {
    is: "problem",
    status: reply.status,
    code: text("code", 64) ?? `http_${reply.status}`,
    detail: text("detail", 2_048) ?? text("title", 256) ?? `HTTP ${reply.status}`,
    retryAfterMs: retryAfterMs(reply.headers["retry-after"], nowMs) ?? (typeof seconds === "number" && seconds >= 0 ? seconds * 1_000 : undefined),
  };
}

/** RFC 9110 section 10.2.3: seconds, or a date. */
export function retryAfterMs(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d{1,9}$/.test(header)) return Number(header) * 1_000;
  const at = Date.parse(header);
  return Number.isNaN(at) ? undefined : Math.max(0, at - nowMs);
}

function jsonOf(bytes: Uint8Array): unknown {
  try {
    return parseJson(fromUtf8(bytes));
  } catch {
    return undefined;
  }
}
