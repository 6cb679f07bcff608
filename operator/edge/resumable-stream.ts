import { backoffMs } from "../../shared/core/backoff.ts";
import { isFault } from "../../shared/core/fault.ts";
import type { World } from "../../shared/ports/world.ts";
import { STREAM_OPENING } from "../../shared/protocol/api/fleet.ts";
import { SseParser, type SseEvent } from "../core/sse.ts";
import type { Asked, HubConnection } from "./hub-connection.ts";

/**
 * One of the hub's streams, opened again with back-off when it breaks, after the last position that it told. Whether anything was
 * missed is never assumed: the hub tells where it goes on, and only where that is what was asked for is the stream whole. It ends
 * when `stop` of the connection aborts, and throws what another try cannot mend (a revoked session, a changed key).
 */
export interface Resumable extends Pick<Asked<never>, "op" | "path" | "query"> {
  readonly backoff: Parameters<typeof backoffMs>[0];
  readonly eventCharsMax?: number;
  /** Told once per outage, before the first wait. */
  readonly onBreak: (error: unknown) => void;
  /** Told when the hub has said where it goes on. */
  readonly onOpen: (how: Opening, afterSeq: string | undefined) => void;
}

/** `gap`: it was lost and goes on elsewhere (the hub was put back from a backup), or broke before its position was known. */
export type Opening = "first" | "whole" | "gap";

const MENDED_BY_TIME = ["net_unreachable", "net_timeout", "unavailable", "rate_limited"] as const;

export async function* resumable(world: Pick<World, "clock" | "rng">, hub: HubConnection, wanted: Resumable): AsyncGenerator<SseEvent> {
  const { stop } = hub.target;
  const { op, path, query } = wanted;
  let position: string | undefined;
  let failures = 0;
  let isLost = false;
  while (!stop.aborted) {
    try {
      const resume = position === undefined ? {} : { "last-event-id": position };
      const chunks = await hub.stream({ op, path, ...(query === undefined ? {} : { query }), headers: { accept: "text/event-stream", ...resume } });
      const parser = new SseParser(wanted.eventCharsMax);
      let isOpen = false;
      for await (const chunk of chunks) {
        failures = 0; // only what arrives proves that it works
        for (const event of parser.push(chunk)) {
          if (!isOpen) opened(event);
          isOpen = true;
          position = event.id ?? position;
          if (event.event !== STREAM_OPENING) yield event;
        }
        if (stop.aborted) return;
      }
      broken(undefined);
    } catch (error) {
      if (stop.aborted) return;
      if (!MENDED_BY_TIME.some((code) => isFault(error, code))) throw error;
      broken(error);
    }
    await world.clock.sleep(backoffMs(wanted.backoff, failures, world.rng), stop);
    failures += 1;
  }

  /** A hub that does not tell its position is not believed to have gone on at the right one. */
  function opened({ event, id }: SseEvent): void {
    const afterSeq = event === STREAM_OPENING ? id : undefined;
    const asked = position ?? query?.["since"]?.toString();
    wanted.onOpen(!isLost ? "first" : afterSeq !== undefined && afterSeq === asked ? "whole" : "gap", afterSeq);
    isLost = false;
  }

  function broken(error: unknown): void {
    if (stop.aborted || failures > 0) return;
    isLost = true;
    wanted.onBreak(error);
  }
}
