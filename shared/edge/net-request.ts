/**
 * Requests by Bun's fetch. One connection per request (`keepalive: false`): a reused pooled socket whose peer went silent hangs until
 * our own time limit (measured), and boxes live behind NATs that forget. What may come twice may ask for the one that answered a moment
 * ago (kept-connection.ts). No redirect is followed, nothing is decompressed: a reply is the bytes that were sent, bounded while they
 * arrive.
 */
import { Fault } from "../core/fault.ts";
import type { NetReply, NetRequest } from "../ports/net.ts";
import { errnoOf } from "./errno.ts";
import type { PinMemory, PinnedTls } from "./tls-pin.ts";

type StreamRequest = Omit<NetRequest, "replyBytesMax">;

export async function request(memory: PinMemory, op: string, wanted: NetRequest): Promise<NetReply> {
  const limit = timeLimit(wanted);
  try {
    const { response, over } = await fetchPinned(memory, wanted, limit.signal);
    const body = await readBounded(op, wanted, response).catch((error: unknown) => {
      over("cut");
      throw error;
    });
    over("whole");
    return { status: response.status, headers: headersOf(response), body };
  } catch (error) {
    throw netFault(op, wanted, error, limit.timedOut());
  } finally {
    limit.end();
  }
}

export async function stream(
  memory: PinMemory,
  op: string,
  wanted: StreamRequest,
): Promise<{ readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly chunks: AsyncIterable<Uint8Array> }> {
  const limit = timeLimit(wanted);
  try {
    const { response, over } = await fetchPinned(memory, wanted, limit.signal);
    limit.stopClock();
    const end = (how: "whole" | "cut"): void => {
      over(how);
      limit.end();
    };
    return { status: response.status, headers: headersOf(response), chunks: chunksOf(op, wanted, response, end) };
  } catch (error) {
    limit.end();
    throw netFault(op, wanted, error, limit.timedOut());
  }
}

interface TimeLimit {
  readonly signal: AbortSignal;
  timedOut(): boolean;
  /** The time limit ends; `stop` still cuts. */
  stopClock(): void;
  readonly end: () => void;
}

/** One controller for both reasons to cut, with its listener taken off again: AbortSignal.any would pile up on a long-lived `stop`. */
function timeLimit({ timeoutMs, stop }: StreamRequest): TimeLimit {
  const controller = new AbortController();
  let timedOut = false;
  const cut = (): void => controller.abort();
  const timer = setTimeout(() => {
    timedOut = true;
    cut();
  }, timeoutMs);
  if (stop?.aborted === true) cut();
  stop?.addEventListener("abort", cut);
  const end = (): void => {
    clearTimeout(timer);
    stop?.removeEventListener("abort", cut);
  };
  return { signal: controller.signal, timedOut: () => timedOut, stopClock: () => clearTimeout(timer), end };
}

interface Fetched {
  readonly response: Response;
  /** Once, when its body was read to the end or given up. */
  readonly over: (how: "whole" | "cut") => void;
}

async function fetchPinned(memory: PinMemory, wanted: StreamRequest, signal: AbortSignal): Promise<Fetched> {
  if (wanted.pins === undefined || wanted.unix !== undefined || !wanted.url.startsWith("https:"))
    return { response: await fetch(wanted.url, fetchOptions(wanted, signal)), over: () => undefined };
  const { pinnedTls } = await import("./tls-pin.ts"); // plain HTTP never pays for TLS
  const pinned = await pinnedTls(memory, wanted.url, wanted.pins, signal);
  try {
    return await fetchOver(pinned, wanted, signal);
  } catch (error) {
    pinned.forget();
    // The server's certificate may have been replaced since it was remembered. Nothing was sent yet: look again, once.
    if (!pinned.wasCached || !isTlsError(error) || signal.aborted) throw error;
    const fresh = await pinnedTls(memory, wanted.url, wanted.pins, signal);
    return fetchOver(fresh, wanted, signal);
  }
}

async function fetchOver(pinned: PinnedTls, wanted: StreamRequest, signal: AbortSignal): Promise<Fetched> {
  const options = fetchOptions(wanted, signal);
  const kept = wanted.keep === true ? pinned.kept : undefined;
  const tls = kept?.take(performance.now());
  if (kept === undefined || tls === undefined) return { response: await fetch(wanted.url, { ...options, tls: pinned.tls }), over: () => undefined };
  try {
    const response = await fetch(wanted.url, { ...options, keepalive: true, tls });
    return { response, over: (how) => (how === "whole" ? kept.answered(performance.now()) : kept.lost()) };
  } catch (error) {
    kept.lost();
    throw error;
  }
}

function fetchOptions(wanted: StreamRequest, signal: AbortSignal): BunFetchRequestInit {
  return {
    method: wanted.method,
    headers: { "accept-encoding": "identity", ...wanted.headers },
    ...(wanted.body === undefined ? {} : { body: wanted.body }),
    ...(wanted.unix === undefined ? {} : { unix: wanted.unix }),
    redirect: "manual",
    keepalive: false,
    decompress: false,
    timeout: false, // our own limit rules, not Bun's 300 s of idleness
    signal,
  };
}

function headersOf(response: Response): Readonly<Record<string, string>> {
  return Object.fromEntries(response.headers);
}

async function readBounded(op: string, wanted: NetRequest, response: Response): Promise<Uint8Array> {
  const claimed = Number(response.headers.get("content-length") ?? 0);
  const chunks: Uint8Array[] = [];
  let length = 0;
  const reader = response.body?.getReader();
  if (reader === undefined) return new Uint8Array();
  for (;;) {
    if (length > wanted.replyBytesMax || claimed > wanted.replyBytesMax) {
      await reader.cancel();
      throw new Fault("net_too_large", `Cannot take the answer of ${originOf(wanted)}: it is larger than ${wanted.replyBytesMax} bytes`, {
        facts: { op, replyBytesMax: wanted.replyBytesMax },
      });
    }
    const { value, done } = await reader.read();
    if (done) break;
    chunks.push(value);
    length += value.byteLength;
  }
  // A connection that was cut in the middle must not look like a short answer.
  if (response.headers.has("content-length") && length !== claimed) {
    throw new Fault("net_unreachable", `Cannot read the answer of ${originOf(wanted)}: it ended after ${length} of ${claimed} bytes`, { facts: { op } });
  }
  return new Uint8Array(Buffer.concat(chunks));
}

async function* chunksOf(op: string, wanted: StreamRequest, response: Response, end: (how: "whole" | "cut") => void): AsyncGenerator<Uint8Array> {
  const reader = response.body?.getReader();
  let how: "whole" | "cut" = "cut";
  try {
    for (;;) {
      const next = await reader?.read();
      if (next === undefined || next.done) {
        how = "whole";
        return;
      }
      yield next.value;
    }
  } catch (error) {
    throw netFault(op, wanted, error, false);
  } finally {
    end(how);
    await reader?.cancel().catch(() => undefined); // the connection may be gone already
  }
}

function originOf({ url, unix }: Pick<NetRequest, "url" | "unix">): string {
  return unix ?? (URL.canParse(url) ? new URL(url).origin : "an address that is not a URL");
}

function isTlsError(error: unknown): boolean {
  return error instanceof Fault ? error.code === "net_tls" : /CERT|TLS|SSL|SELF_SIGNED|ALTNAME|UNABLE_TO|PIN/.test(errnoOf(error) ?? "");
}

function netFault(op: string, wanted: StreamRequest, error: unknown, timedOut: boolean): Fault {
  if (error instanceof Fault && !(timedOut && error.code === "net_unreachable")) return error;
  const origin = originOf(wanted);
  const reason = errnoOf(error);
  const facts = { op, origin, reason };
  if (timedOut) return new Fault("net_timeout", `Cannot reach ${origin}: no answer within ${wanted.timeoutMs} ms`, { facts, cause: error });
  if (wanted.stop?.aborted === true) return new Fault("net_unreachable", `Cannot reach ${origin}: the request was stopped`, { facts, cause: error });
  if (isTlsError(error)) return new Fault("net_tls", `Cannot trust ${origin}: ${reason ?? "TLS failed"}`, { facts, cause: error });
  return new Fault("net_unreachable", `Cannot reach ${origin}: ${reason ?? "no connection"}`, { facts, cause: error });
}
