import * as z from "zod/mini";
import { backoffMs } from "../../shared/core/backoff.ts";
import { isFault } from "../../shared/core/fault.ts";
import type { World } from "../../shared/ports/world.ts";
import { opProgress, opReturnItem, type OpProgress, type OpReturnItem } from "../../shared/protocol/api/ops.ts";
import { SseParser } from "../core/sse.ts";
import { path } from "./hub-api.ts";
import type { HubConnection } from "./hub-connection.ts";

/**
 * The answers to one op as they come, each once and in the hub's order, and how the op stands. A broken stream is opened again after
 * the last answer that was seen. It ends when the op has ended or `stop` of the connection aborts, and throws what another try
 * cannot mend.
 */
export type ReturnEvent = { readonly on: "return"; readonly item: OpReturnItem } | { readonly on: "progress"; readonly progress: OpProgress };

export interface ReturnFollow {
  readonly opId: string;
  /** Told once per outage, and when the stream is open again. */
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
  const { stop } = hub.target;
  let lastSeq = 0;
  let failures = 0;
  while (!stop.aborted) {
    try {
      const chunks = await hub.stream({
        op: "hub.ops.follow",
        path: path`/api/v1/ops/${opId}/returns/stream`,
        headers: { accept: "text/event-stream", ...(lastSeq === 0 ? {} : { "last-event-id": String(lastSeq) }) },
      });
      if (failures > 0) onBack();
      const parser = new SseParser(EVENT_CHARS_MAX);
      let ended = false;
      for await (const chunk of chunks) {
        failures = 0; // only what arrives proves that it works
        for (const { event, data } of parser.push(chunk)) {
          const read = readEvent(event, data);
          if (read === undefined || (read.on === "return" && read.item.seq <= lastSeq)) continue;
          if (read.on === "return") lastSeq = read.item.seq;
          ended ||= read.on === "progress" && hasEnded(read.progress.state);
          yield read;
        }
        if (stop.aborted) return;
      }
      if (ended) return;
      broken(undefined);
    } catch (error) {
      if (stop.aborted) return;
      if (!isFault(error, "net_unreachable") && !isFault(error, "net_timeout") && !isFault(error, "unavailable") && !isFault(error, "rate_limited"))
        throw error;
      broken(error);
    }
    await world.clock.sleep(backoffMs(RECONNECT_BACKOFF, failures, world.rng), stop);
    failures += 1;
  }

  function broken(error: unknown): void {
    if (!stop.aborted && failures === 0) onBreak(error);
  }
}

/** Heartbeats and kinds of a newer hub are passed over. */
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
