/** Serving by Bun.serve: web-standard requests in, responses out. The peer's address is the socket's, never a header's. */
import { lstatSync, unlinkSync } from "node:fs";
import { Fault } from "../core/fault.ts";
import type { Handler, Listen, Listener, Peer } from "../ports/net.ts";
import { errnoOf, fileFault } from "./errno.ts";

/** Seconds a connection may stay silent; `hold()` lifts it for one request. Bun's maximum is 255. */
const IDLE_SECONDS = 30;

export async function serve(op: string, listen: Listen, handler: Handler): Promise<Listener> {
  const server = listen.on === "tcp" ? serveTcp(op, listen, handler) : serveUnix(op, listen, handler);
  return {
    url: server.url.href.replace(/\/$/, ""),
    port: server.port ?? 0,
    stop: (graceMs) => stopWithin(server, graceMs),
  };
}

type TcpListen = Extract<Listen, { on: "tcp" }>;
type UnixListen = Extract<Listen, { on: "unix" }>;

function serveTcp(op: string, { address, port, tls, bodyBytesMax }: TcpListen, handler: Handler): Bun.Server<undefined> {
  try {
    return Bun.serve({
      hostname: address,
      port,
      // Without `development`, Bun shares the port with whoever of the same user listens there already: two hubs would answer in turns.
      reusePort: false,
      ...(tls === undefined ? {} : { tls: { cert: tls.certPem, key: tls.keyPem } }),
      idleTimeout: IDLE_SECONDS,
      ...options(bodyBytesMax),
      fetch: (request, server) => handler(request, peerOf(request, server)),
    });
  } catch (error) {
    throw new Fault("net_unreachable", `Cannot listen on ${address}:${port}: ${errnoOf(error) ?? "unknown error"}`, {
      facts: { op, address, port },
      ...(errnoOf(error) === "EADDRINUSE" ? { remedy: "Another process listens there (ss -ltnp shows which): stop it, or choose another --port" } : {}),
      cause: error,
    });
  }
}

/**
 * The mode is right from the socket's first instant: the umask is narrowed around the bind, which is one synchronous call.
 * A socket that a crashed process left is removed: whoever serves here holds the data directory's lock.
 */
function serveUnix(op: string, { path, mode, bodyBytesMax }: UnixListen, handler: Handler): Bun.Server<undefined> {
  removeStaleSocket(op, path);
  const umask = process.umask(0o777 & ~mode);
  try {
    return Bun.serve({
      unix: path,
      ...options(bodyBytesMax),
      fetch: (request, server) => handler(request, { address: "unix", hold: () => server.timeout(request, 0) }),
    });
  } catch (error) {
    throw fileFault(op, `listen on ${path}`, error);
  } finally {
    process.umask(umask);
  }
}

function options(bodyBytesMax: number): { readonly maxRequestBodySize: number; readonly development: false; readonly error: () => Response } {
  // Handlers answer for their own errors; what still gets here says nothing of the inside.
  return { maxRequestBodySize: bodyBytesMax, development: false, error: () => new Response(null, { status: 500 }) };
}

function peerOf(request: Request, server: Bun.Server<undefined>): Peer {
  return {
    get address() {
      return server.requestIP(request)?.address ?? "unknown";
    },
    hold: () => server.timeout(request, 0),
  };
}

function removeStaleSocket(op: string, path: string): void {
  try {
    if (!lstatSync(path).isSocket()) throw new Fault("file_exists", `Cannot listen on ${path}: something else is there`, { facts: { op } });
    unlinkSync(path);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw fileFault(op, `listen on ${path}`, error);
  }
}

async function stopWithin(server: Bun.Server<undefined>, graceMs: number): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const grace = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, graceMs);
  });
  await Promise.race([server.stop(false), grace]);
  clearTimeout(timer);
  await Promise.race([server.stop(true), new Promise<void>((resolve) => setTimeout(resolve, 100))]);
}
