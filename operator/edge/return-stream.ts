import * as z from "zod/mini";
import type { World } from "../../shared/ports/world.ts";
import { opProgress, opReturnItem, type OpProgress, type OpReturnItem } from "../../shared/protocol/api/ops.ts";
import { path } from "./hub-api.ts";
import type { HubConnection } from "./hub-connection.ts";
import { resumable } from "./resumable-stream.ts";

/** The answers to one op as they come, in the hub's order, and how the op stands. It ends when the op has ended or `stop` of the connection aborts. */
export type ReturnEvent = { readonly on: "return"; readonly item: OpReturnItem } | { readonly on: "progress"; readonly progress: OpProgress };

export interface ReturnFollow {
  readonly opId: string;
  /** Told once per outage, and when the stream is open (again). */
  readonly onBreak: (error: unknown) => void;
  readonly onBack: () => void;
}

const RECONNECT_BACKOFF = { firstMs: 250, maxMs: 15_000 };
/** A return of 1 MiB, in base64, in JSON. */
const EVENT_CHARS_MAX = 2 * 1_024 * 1_024;
const ENDED: ReadonlySet<string> = new Set(["done", "failed", "refused", "expired", "cancelled"]);
export const hasEnded = (state: string): boolean => ENDED.has(state);

export async function* followReturns(
  world: Pick<World, "clock" | "rng">,
  hub: HubConnection,
  { opId, onBreak, onBack }: ReturnFollow,
): AsyncGenerator<ReturnEvent> {
  const stream = {
    op: "hub.ops.follow",
    path: path`/api/v1/ops/${opId}/returns/stream`,
    backoff: RECONNECT_BACKOFF,
    eventCharsMax: EVENT_CHARS_MAX,
    onBreak,
    onOpen: onBack,
  };
  for await (const { event, data } of resumable(world, hub, stream)) {
    const read = readEvent(event, data);
    if (read === undefined) continue;
    yield read;
    // The hub tells how the op ended after all answers.
    if (read.on === "progress" && hasEnded(read.progress.state)) return;
  }
}

/** Kinds of a newer hub are passed over. */
function readEvent(event: string, data: string): ReturnEvent | undefined {
  try {
    const value: unknown = JSON.parse(data);
    if (event === "return") {
      const parsed = z.safeParse(opReturnItem, value);
      return parsed.success ? { on: "return", item: parsed.data } : undefined;
    }
    const parsed = event === "op" ? z.safeParse(opProgress, value) : undefined;
    return parsed?.success === true ? { on: "progress", progress: parsed.data } : undefined;
  } catch {
    return undefined;
  }
}
