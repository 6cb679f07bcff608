/**
 * What every stream of this hub has in common (WHATWG HTML, server-sent events): it begins by telling its position, so that a
 * follower whose stream breaks before anything happened still knows where to go on; it reads on when its connection has room, so
 * there is no queue to overflow.
 */
import { utf8 } from "../../../../shared/core/bytes.ts";
import { Fault } from "../../../../shared/core/fault.ts";
import { STREAM_OPENING } from "../../../../shared/protocol/api/fleet.ts";
import type { RouteCall } from "../route.ts";

const RETRY_MS = 3_000;

export interface StreamFollower {
  /** The next piece of the stream, when there is one; nothing when it is over. */
  next(): Promise<string | undefined>;
  end(): void;
}

export function sseResponse(call: Pick<RouteCall, "request" | "hold">, afterSeq: number, follower: StreamFollower): Response {
  call.hold();
  call.request.signal.addEventListener("abort", () => follower.end(), { once: true });
  const body = new ReadableStream<Uint8Array>(
    {
      start: (controller) => controller.enqueue(utf8(`retry: ${RETRY_MS}\nid: ${afterSeq}\nevent: ${STREAM_OPENING}\ndata: {"seq":${afterSeq}}\n\n`)),
      pull: async (controller) => {
        const text = await follower.next().catch((error: unknown) => {
          follower.end();
          throw error;
        });
        if (text === undefined) controller.close();
        else controller.enqueue(utf8(text));
      },
      cancel: () => follower.end(),
    },
    { highWaterMark: 1 },
  );
  return new Response(body, { headers: { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-store", "x-accel-buffering": "no" } });
}

export function lastEventId(request: Request): number | undefined {
  const text = request.headers.get("last-event-id");
  if (text === null) return undefined;
  if (!/^(?:0|[1-9][0-9]{0,15})$/.test(text)) throw new Fault("bad_request", "Cannot resume: Last-Event-ID is not a sequence that this hub gave");
  return Number(text);
}

/** Kept by a follower, to look again whether its credential still counts. */
export function bearerOf(request: Request): string {
  return /^bearer (.+)$/i.exec(request.headers.get("authorization") ?? "")?.[1] ?? "";
}
