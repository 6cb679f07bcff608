/**
 * One handler for everything the hub answers. The outside of a request is judged first (guard), then the sync route, which is the hot
 * one and has its own short way; the rest goes through Hono's router to routes of the registry: rate → who → may he → body → handler.
 * What no route names is not found; there is no other way in. Every answer carries a request id and says nothing of the inside.
 */
import { encode } from "@msgpack/msgpack";
import { Hono } from "hono";
import { RegExpRouter } from "hono/router/reg-exp-router";
import { SmartRouter } from "hono/router/smart-router";
import { TrieRouter } from "hono/router/trie-router";
import { hex } from "../../../shared/core/bytes.ts";
import { Fault } from "../../../shared/core/fault.ts";
import type { Handler, Peer } from "../../../shared/ports/net.ts";
import { decideAccess, type Principal } from "../../core/access/capability.ts";
import type { Hub } from "../hub.ts";
import type { Sync } from "../sync/sync.ts";
import { type Guard, pathOf } from "./guard.ts";
import { identify } from "./identify.ts";
import { parseQuery, parseRequestBody } from "./parse.ts";
import { faultOf, faultReply } from "./problem.ts";
import type { Method, Route, RouteReply } from "./route.ts";

export const SYNC_PATH = "/agent/v1/sync";
/** Writes waiting at the store above which operators' writes are put off: boxes' results come first. */
const SHED_OPERATORS_ABOVE = 1_000;

export const REPLY_HEADERS: Readonly<Record<string, string>> = {
  "x-content-type-options": "nosniff",
  "cache-control": "no-store",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "referrer-policy": "no-referrer",
};

interface Asked {
  readonly peer: Peer;
  readonly address: string;
  readonly requestId: string;
}

export interface ServerParts {
  readonly hub: Hub;
  readonly guard: Guard;
  readonly sync: Sync;
  readonly routes: readonly Route[];
}

export interface HubServer {
  readonly handle: Handler;
  readonly counts: { requests: number; failures: number };
}

export function hubServer({ hub, guard, sync, routes }: ServerParts): HubServer {
  const counts = { requests: 0, failures: 0 };
  const app = routed(hub, guard, routes, counts);
  const handle: Handler = (request, peer) => {
    if (request.method === "POST" && pathOf(request.url) === SYNC_PATH) {
      const fault = guard.isOneHost(request) ? guard.checkPeer(peer) : guard.check(request, peer);
      return fault === undefined ? sync.handle(request, peer) : faultReply(fault);
    }
    counts.requests += 1;
    const requestId = hex(hub.world.crypto.randomBytes(8));
    const fault = guard.check(request, peer);
    if (fault !== undefined) return finish(faultReply(fault), requestId);
    const asked: Asked = { peer, address: guard.addressOf(request, peer), requestId };
    return Promise.resolve(app.fetch(request, asked)).then((response) => finish(response, requestId));
  };
  return { handle, counts };
}

function routed(hub: Hub, guard: Guard, routes: readonly Route[], counts: HubServer["counts"]) {
  const app = new Hono<{ Bindings: Asked }>({ strict: true, router: new SmartRouter({ routers: [new RegExpRouter(), new TrieRouter()] }) });
  const methods = new Map<string, Method[]>([[SYNC_PATH, ["POST"]]]);
  for (const route of routes) {
    methods.set(route.path, [...(methods.get(route.path) ?? []), route.method]);
    app.on(route.method, honoPath(route.path), async (context) => {
      try {
        const params: Readonly<Record<string, string>> = context.req.param();
        return toResponse(await answer(hub, guard, route, context.req.raw, context.env, params), route, context.req.raw);
      } catch (error) {
        return failed(hub, counts, error, route, context.env);
      }
    });
  }
  for (const [path, allowed] of methods) {
    app.all(honoPath(path), (context) =>
      faultReply(new Fault("method_not_allowed", `Cannot answer: this path takes ${allowed.join(", ")}, not ${context.req.method}`), {
        allow: allowed.join(", "),
      }),
    );
  }
  app.notFound((context) => {
    const wait = guard.countRefusal(context.env.address);
    return faultReply(wait > 0 ? tooMany(wait) : new Fault("not_found", "Cannot answer: there is no such path"));
  });
  app.onError((error, context) => failed(hub, counts, error, undefined, context.env));
  return app;
}

async function answer(hub: Hub, guard: Guard, route: Route, request: Request, asked: Asked, params: Readonly<Record<string, string>>): Promise<RouteReply> {
  if (route.capability !== "agent") refuseAbove(guard.countRequest(asked.address));
  const principal = await admit(hub, guard, route, request, asked.address);
  if (principal.is === "agent") refuseAbove(guard.countHost(principal.hostId));
  if (route.method !== "GET" && principal.is !== "agent" && route.capability !== "open" && hub.store.waiting() > SHED_OPERATORS_ABOVE) {
    throw new Fault("unavailable", "Cannot take this now: the hub is storing what its hosts report", { facts: { retry_after_ms: 5_000 } });
  }
  const query = parseQuery(route, request.url);
  const { body, bytes } = await parseRequestBody(route, request);
  const { address, requestId, peer } = asked;
  return route.handle({ request, params, query, body, bytes, principal, address, requestId, hold: () => peer.hold() });
}

async function admit(hub: Hub, guard: Guard, route: Route, request: Request, address: string): Promise<Principal> {
  if (route.capability === "open") return { is: "nobody" };
  const principal = await identify(hub, request);
  const access = decideAccess(principal, route.capability);
  if (access === "allowed") return principal;
  refuseAbove(guard.countRefusal(address));
  if (access === "denied") throw new Fault("denied", "Cannot do that: this credential's role does not allow it");
  throw new Fault("unauthenticated", "Cannot do that: no valid credential was given", { remedy: "Log in: felhom login" });
}

function toResponse(reply: RouteReply, route: Route, request: Request): Response {
  if (reply instanceof Response) return reply;
  if (reply.body === undefined) return new Response(null, { status: reply.status, headers: { ...reply.headers } });
  const isMsgpack = route.msgpack === true && accepts(request, "application/msgpack");
  const body = isMsgpack ? encode(reply.body, { ignoreUndefined: true }) : JSON.stringify(reply.body);
  return new Response(body, { status: reply.status, headers: { "content-type": isMsgpack ? "application/msgpack" : "application/json", ...reply.headers } });
}

/** Named, and not merely by a wildcard: JSON is what everybody else gets. */
function accepts(request: Request, type: string): boolean {
  return (request.headers.get("accept") ?? "").split(",").some((part) => part.split(";")[0]?.trim().toLowerCase() === type);
}

function failed(hub: Hub, counts: HubServer["counts"], error: unknown, route: Route | undefined, asked: Asked): Response {
  const fault = faultOf(error);
  if (fault.status >= 500) {
    counts.failures += 1;
    hub.world.log.event("error", "http.failed", { route: route === undefined ? "" : `${route.method} ${route.path}`, request_id: asked.requestId }, error);
  }
  return faultReply(fault);
}

function finish(response: Response, requestId: string): Response {
  response.headers.set("x-request-id", requestId);
  for (const [name, value] of Object.entries(REPLY_HEADERS)) if (!response.headers.has(name)) response.headers.set(name, value);
  return response;
}

const honoPath = (path: string): string => path.replaceAll(/\{([a-z0-9_]+)\}/g, ":$1");

function refuseAbove(waitMs: number): void {
  if (waitMs > 0) throw tooMany(waitMs);
}

const tooMany = (waitMs: number): Fault =>
  new Fault("rate_limited", "Cannot answer: too many requests from this address", { facts: { retry_after_ms: waitMs } });
