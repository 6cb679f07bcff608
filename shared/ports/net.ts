/** HTTP in and out. Web-standard `Request` and `Response` on the serving side, so that Hono and Bun.serve fit without adapters. */
export interface Net {
  /**
   * One request, one whole reply. Throws a `Fault`: `net_unreachable` (no connection, reset, name not found), `net_timeout`,
   * `net_tls` (pin or certificate refused), `net_too_large` (reply above `replyBytesMax`). A status is never a throw.
   */
  request(op: string, request: NetRequest): Promise<NetReply>;
  /** The reply's body as it comes, for event streams and large blobs. Status and headers first. */
  stream(
    op: string,
    request: Omit<NetRequest, "replyBytesMax">,
  ): Promise<{ readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly chunks: AsyncIterable<Uint8Array> }>;
  serve(op: string, listen: Listen, handler: Handler): Promise<Listener>;
}

export interface NetRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly url: string;
  /** Lower-case names. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** Covers all of it: connect, TLS, request, reply. For `stream`: until the headers. */
  readonly timeoutMs: number;
  readonly replyBytesMax: number;
  /** SHA-256 of the server's SubjectPublicKeyInfo, base64url: any one of these is accepted and system roots are not asked. */
  readonly pins?: readonly string[];
  /** A local socket instead of the URL's host. */
  readonly unix?: string;
  readonly stop?: AbortSignal;
  /**
   * May go over the connection that answered a moment ago, and leave its own for the next. Only for what may come twice: a server that
   * closes a connection just then has perhaps read the request, and it is sent once more.
   */
  readonly keep?: boolean;
}

export interface NetReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

export type Listen =
  | {
      readonly on: "tcp";
      readonly address: string;
      readonly port: number;
      readonly tls?: { readonly certPem: string; readonly keyPem: string };
      readonly bodyBytesMax: number;
    }
  | { readonly on: "unix"; readonly path: string; readonly mode: number; readonly bodyBytesMax: number };

export interface Peer {
  /** The socket's remote address, or "unix". Never a header. */
  readonly address: string;
  /** Lifts the idle limit from this one request: for held requests and event streams. */
  hold(): void;
}

export type Handler = (request: Request, peer: Peer) => Response | Promise<Response>;

export interface Listener {
  /** Where it listens now, e.g. `http://127.0.0.1:41233`; the port is the real one when 0 was asked for. */
  readonly url: string;
  readonly port: number;
  /** Stops accepting, lets running requests end within `graceMs`, then cuts them. */
  stop(graceMs: number): Promise<void>;
}
