/** Events as pages, and as a stream that resumes where it was cut. */
import * as z from "zod/mini";
import { Fault } from "../../../../shared/core/fault.ts";
import { EVENT_KINDS, eventItem } from "../../../../shared/protocol/api/fleet.ts";
import { page } from "../../../../shared/protocol/api/page.ts";
import { hostId } from "../../../../shared/protocol/fields.ts";
import type { EventFeed } from "../../events/event-feed.ts";
import type { Hub } from "../../hub.ts";
import { type EventKind, listEvents, newestEventSeq } from "../../store/events.ts";
import { defineRoute, type Route } from "../route.ts";
import { eventOf } from "./event-item.ts";
import { eventStream } from "./event-stream.ts";
import { type PageAsk, pageQuery, queryInt, readPage } from "./query.ts";
import { pageBody } from "./reply.ts";
import { lastEventId } from "./sse-response.ts";

const KINDS_CHARS_MAX = 512;
const filterQuery = {
  since: z.optional(queryInt(0, Number.MAX_SAFE_INTEGER)),
  kind: z.optional(z.string().check(z.maxLength(KINDS_CHARS_MAX))),
  host: z.optional(hostId),
};

export function eventRoutes(hub: Hub, feed: EventFeed): readonly Route[] {
  return [
    defineRoute(
      {
        method: "GET",
        path: "/api/v1/events",
        capability: "fleet.read",
        summary: "What happened: newest first, or oldest first after a sequence",
        bodyBytesMax: 0,
        query: z.strictObject({ ...pageQuery, ...filterQuery }),
        replies: { 200: { what: "Events", schema: page("EventList", eventItem) } },
        errors: ["bad_request"],
      },
      async ({ query }) => readEvents(hub, query, { since: query.since, host: query.host, kinds: parseKinds(query.kind) }),
    ),
    defineRoute(
      {
        method: "GET",
        path: "/api/v1/events/stream",
        capability: "fleet.read",
        summary: "Events as they happen (server-sent events); resumes after Last-Event-ID or since",
        bodyBytesMax: 0,
        query: z.strictObject(filterQuery),
        replies: {
          200: {
            what: "An endless stream: first `opened` with the sequence it goes on after, then id is the sequence, event the kind, data one event",
            type: "text/event-stream",
          },
        },
        errors: ["bad_request", "unavailable"],
      },
      async (call) => {
        const kinds = parseKinds(call.query.kind);
        const last = lastEventId(call.request);
        const newest = await hub.store.read(newestEventSeq);
        // A hub restored from a backup counts on from there: a follower from before must not wait for numbers to catch up.
        const afterSeq = Math.min(newest, last ?? call.query.since ?? newest);
        return eventStream(hub, feed, call, { afterSeq, hostId: call.query.host, kinds });
      },
    ),
  ];
}

export interface EventsOf {
  readonly since?: number | undefined;
  readonly host?: string | undefined;
  readonly kinds?: readonly EventKind[] | undefined;
}

/** Also the timeline of one host. */
export async function readEvents(hub: Hub, ask: PageAsk, { since, host, kinds }: EventsOf) {
  const isForward = since !== undefined;
  const { rows, next } = await hub.store.read((db) =>
    readPage(
      isForward ? "events+" : "events",
      ask,
      ["number"],
      (after, limit) =>
        listEvents(db, {
          limit,
          order: isForward ? "oldest-first" : "newest-first",
          ...(isForward ? { afterSeq: Math.max(since, Number(after?.[0] ?? 0)) } : after === undefined ? {} : { beforeSeq: Number(after[0]) }),
          ...(host === undefined ? {} : { hostId: host }),
          ...(kinds === undefined ? {} : { kinds }),
        }),
      (row) => [row.seq],
    ),
  );
  return { status: 200, body: pageBody("EventList", rows.map(eventOf), next) };
}

function parseKinds(text: string | undefined): readonly EventKind[] | undefined {
  if (text === undefined) return undefined;
  return text.split(",").map((part) => {
    const kind = EVENT_KINDS.find((known) => known === part);
    if (kind === undefined)
      throw new Fault("bad_request", `Cannot filter events by kind ${JSON.stringify(part.slice(0, 64))}: there is no such kind`, {
        remedy: "See the list in the API description, /openapi.json",
      });
    return kind;
  });
}
