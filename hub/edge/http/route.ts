/**
 * A route is data. Registration, OpenAPI, the access matrix test and the limits all read the same list, so a route
 * cannot exist without a capability, a body limit and schemas. `defineRoute` ties the handler's types to those schemas.
 */
import type * as z from "zod/mini";
import type { FaultCode } from "../../../shared/core/fault-code.ts";
import type { Capability, Principal } from "../../core/access/capability.ts";

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

export interface RouteCall<Body = unknown, Query = unknown> {
  readonly request: Request;
  readonly params: Readonly<Record<string, string>>;
  readonly query: Query;
  readonly body: Body;
  /** Raw bytes, for routes whose body is `octets`. */
  readonly bytes: Uint8Array;
  /** Decided from the credential before the handler runs; never from a payload. */
  readonly principal: Principal;
  /** The client's address: the socket's, or what a trusted proxy says. */
  readonly address: string;
  readonly requestId: string;
  /** Lifts the idle limit, for event streams. */
  hold(): void;
}

/** What a handler returns: plain data (JSON or MessagePack by `accept`), or a whole Response for streams and bytes. */
export type RouteReply = { readonly status: number; readonly body?: unknown; readonly headers?: Readonly<Record<string, string>> } | Response;

export interface RouteText {
  readonly method: Method;
  /** OpenAPI form: `/api/v1/hosts/{host_id}`. */
  readonly path: string;
  readonly capability: Capability;
  readonly summary: string;
  /** 0: a body is refused. */
  readonly bodyBytesMax: number;
  /** Default `json` (and MessagePack where `msgpack` is true). `octets`: whole, in `bytes`. `stream`: unread, the handler counts what it takes. */
  readonly bodyForm?: "json" | "octets" | "stream";
  readonly msgpack?: boolean;
  readonly replies: Readonly<Record<number, { readonly what: string; readonly schema?: z.ZodMiniType; readonly type?: string }>>;
  readonly errors?: readonly FaultCode[];
}

export interface Route extends RouteText {
  readonly bodySchema: z.ZodMiniType | undefined;
  readonly querySchema: z.ZodMiniType | undefined;
  readonly handle: (call: RouteCall) => Promise<RouteReply>;
}

/** `body` and `query` are parsed by their schemas before the handler sees them; an unknown query parameter is refused when `query` is strict, and all are without one. */
export function defineRoute<B extends z.ZodMiniType = z.ZodMiniUndefined, Q extends z.ZodMiniType = z.ZodMiniUndefined>(
  text: RouteText & { readonly body?: B; readonly query?: Q },
  handle: (call: RouteCall<z.infer<B>, z.infer<Q>>) => Promise<RouteReply>,
): Route {
  const { body, query, ...rest } = text;
  // The server parses with these very schemas right before it calls, so the erased call has the handler's types.
  return { ...rest, bodySchema: body, querySchema: query, handle: handle as Route["handle"] };
}
