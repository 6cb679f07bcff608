/**
 * One follower's stream of what happens, from its own position. A comment every 15 seconds keeps middleboxes awake and finds dead
 * peers; the credential is looked up again every five, so that a revoked one stops seeing.
 */
import { Fault } from "../../../../shared/core/fault.ts";
import { findOperator } from "../../access/find-operator.ts";
import type { EventFeed } from "../../events/event-feed.ts";
import type { Hub } from "../../hub.ts";
import { type EventKind, type EventRow, listEvents, newestEventSeq } from "../../store/events.ts";
import type { RouteCall } from "../route.ts";
import { eventOf } from "./event-item.ts";
import { bearerOf, sseResponse } from "./sse-response.ts";

const COMMENT_EVERY_MS = 15_000;
const RECHECK_EVERY_MS = 5_000;
const EVENTS_PER_READ = 100;

export interface StreamFrom {
  readonly afterSeq: number;
  readonly hostId: string | undefined;
  readonly kinds: readonly EventKind[] | undefined;
}

export function eventStream(hub: Hub, feed: EventFeed, call: Pick<RouteCall, "request" | "hold">, from: StreamFrom): Response {
  if (!feed.join()) throw new Fault("unavailable", `Cannot follow events: ${feed.followers} clients do already`);
  return sseResponse(call, from.afterSeq, new Follower(hub, feed, bearerOf(call.request), from));
}

class Follower {
  readonly #hub: Hub;
  readonly #feed: EventFeed;
  readonly #secret: string;
  readonly #from: StreamFrom;
  readonly #stop = new AbortController();
  #afterSeq: number;
  #saidMonoMs: number;
  #checkedMonoMs: number;

  constructor(hub: Hub, feed: EventFeed, secret: string, from: StreamFrom) {
    this.#hub = hub;
    this.#feed = feed;
    this.#secret = secret;
    this.#from = from;
    this.#afterSeq = from.afterSeq;
    this.#saidMonoMs = this.#checkedMonoMs = hub.world.clock.monoMs();
  }

  end(): void {
    if (this.#stop.signal.aborted) return;
    this.#stop.abort();
    this.#feed.leave();
  }

  /** The next piece of the stream, when there is one; nothing when it is over. */
  async next(): Promise<string | undefined> {
    const { clock } = this.#hub.world;
    while (!this.#stop.signal.aborted && !this.#hub.courier.isStopping) {
      if (clock.monoMs() - this.#checkedMonoMs >= RECHECK_EVERY_MS && !(await this.#mayLook())) break;
      const { rows, newest } = await this.#read();
      if (rows.length > 0) {
        this.#afterSeq = rows.at(-1)?.seq ?? this.#afterSeq;
        this.#saidMonoMs = clock.monoMs();
        return rows.map(eventText).join("");
      }
      if (clock.monoMs() - this.#saidMonoMs >= COMMENT_EVERY_MS) {
        this.#saidMonoMs = clock.monoMs();
        return ": still here\n\n";
      }
      await this.#feed.wait(newest, RECHECK_EVERY_MS, this.#stop.signal);
    }
    this.end();
    return undefined;
  }

  async #mayLook(): Promise<boolean> {
    this.#checkedMonoMs = this.#hub.world.clock.monoMs();
    return (await findOperator(this.#hub, this.#secret)).is !== "nobody";
  }

  #read(): Promise<{ readonly rows: readonly EventRow[]; readonly newest: number }> {
    const { hostId, kinds } = this.#from;
    const filter = {
      afterSeq: this.#afterSeq,
      limit: EVENTS_PER_READ,
      order: "oldest-first",
      ...(hostId === undefined ? {} : { hostId }),
      ...(kinds === undefined ? {} : { kinds }),
    } as const;
    return this.#hub.store.read((db) => ({ newest: newestEventSeq(db), rows: listEvents(db, filter) }));
  }
}

/** The data is JSON, which has no line feeds of its own. */
function eventText(row: EventRow): string {
  return `id: ${row.seq}\nevent: ${row.kind}\ndata: ${JSON.stringify(eventOf(row))}\n\n`;
}
