import * as z from "zod/mini";
import { backoffMs } from "../../shared/core/backoff.ts";
import { isFault } from "../../shared/core/fault.ts";
import type { World } from "../../shared/ports/world.ts";
import { eventItem, type EventItem } from "../../shared/protocol/api/fleet.ts";
import { SseParser } from "../core/sse.ts";
import type { HubConnection } from "./hub-connection.ts";

/**
 * Events as they happen, without a gap: when the stream breaks, it is opened again after the last sequence seen, with back-off. It
 * ends when `stop` aborts, and throws what another try cannot mend (a revoked session, a changed key).
 */
const RECONNECT_BACKOFF = { firstMs: 500, maxMs: 30_000 };

export interface Follow {
  readonly query: Readonly<Record<string, string | number | undefined>>;
  /** Told once per outage, before the first wait, and when the stream is open again. */
  readonly onBreak: (error: unknown) => void;
  readonly onBack: () => void;
}

export async function* followEvents(world: Pick<World, "clock" | "rng">, hub: HubConnection, { query, onBreak, onBack }: Follow): AsyncGenerator<EventItem> {
  const { stop } = hub.target;
  let lastSeq: number | undefined;
  let failures = 0;
  while (!stop.aborted) {
    try {
      const chunks = await hub.stream({
        op: "hub.events.follow",
        path: "/api/v1/events/stream",
        query,
        headers: { accept: "text/event-stream", ...(lastSeq === undefined ? {} : { "last-event-id": String(lastSeq) }) },
      });
      if (failures > 0) onBack();
      const parser = new SseParser();
      for await (const chunk of chunks) {
        failures = 0; // only what arrives proves that it works
        for (const { data } of parser.push(chunk)) {
          const event = eventOf(data);
          if (event === undefined || (lastSeq !== undefined && event.seq <= lastSeq)) continue;
          lastSeq = event.seq;
          yield event;
        }
        if (stop.aborted) return;
      }
      onBreakUnlessStopped(undefined);
    } catch (error) {
      if (stop.aborted) return;
      if (!isFault(error, "net_unreachable") && !isFault(error, "net_timeout") && !isFault(error, "unavailable") && !isFault(error, "rate_limited"))
        throw error;
      onBreakUnlessStopped(error);
    }
    await world.clock.sleep(backoffMs(RECONNECT_BACKOFF, failures, world.rng), stop);
    failures += 1;
  }

  function onBreakUnlessStopped(error: unknown): void {
    if (!stop.aborted && failures === 0) onBreak(error);
  }
}

/** Heartbeats and kinds of a newer hub are passed over: a live view must not end because of one. */
function eventOf(data: string): EventItem | undefined {
  try {
    const parsed = z.safeParse(eventItem, JSON.parse(data));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}
