import * as z from "zod/mini";
import type { World } from "../../shared/ports/world.ts";
import { eventItem, type EventItem } from "../../shared/protocol/api/fleet.ts";
import type { HubConnection } from "./hub-connection.ts";
import { resumable, type Resumable } from "./resumable-stream.ts";

/** Events as they happen, over breaks of the stream; where it goes on, and whether that is without a gap, is told by `onOpen`. */
const RECONNECT_BACKOFF = { firstMs: 500, maxMs: 30_000 };

export type Follow = Pick<Resumable, "query" | "onBreak" | "onOpen">;

export async function* followEvents(world: Pick<World, "clock" | "rng">, hub: HubConnection, follow: Follow): AsyncGenerator<EventItem> {
  const stream = { ...follow, op: "hub.events.follow", path: "/api/v1/events/stream", backoff: RECONNECT_BACKOFF };
  for await (const { data } of resumable(world, hub, stream)) {
    const event = eventOf(data);
    if (event !== undefined) yield event;
  }
}

/** Kinds of a newer hub are passed over: a live view must not end because of one. */
function eventOf(data: string): EventItem | undefined {
  try {
    const parsed = z.safeParse(eventItem, JSON.parse(data));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}
