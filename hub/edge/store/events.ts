/**
 * Events: what happened, for people and live views. Closed kinds, one growing sequence, indexed by host and by kind. An event is a
 * story, never a source: nothing is decided from it, so retention may drop any of it. `appendEvent` is called inside the transaction
 * of what it tells; whoever streams is woken after the commit (`EventFeed`).
 */
import type { EVENT_KINDS } from "../../../shared/protocol/api/fleet.ts";
import type { Database, SqlValue } from "../../../shared/ports/databases.ts";

export type EventKind = (typeof EVENT_KINDS)[number];

export const EVENT_TABLES = [
  `CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    host_id TEXT,
    host_name TEXT,
    data TEXT NOT NULL
  ) STRICT`,
  "CREATE INDEX events_by_host ON events (host_id, seq) WHERE host_id IS NOT NULL",
  "CREATE INDEX events_by_kind ON events (kind, seq)",
] as const;

export interface EventDraft {
  readonly at: number;
  readonly kind: EventKind;
  readonly host?: { readonly hostId: string; readonly name: string | null };
  readonly data?: Readonly<Record<string, string | number | boolean | null>>;
}

export interface EventRow {
  readonly seq: number;
  readonly at: number;
  readonly kind: EventKind;
  readonly host_id: string | null;
  readonly host_name: string | null;
  readonly data: string;
}

const EVENT_TEXT_CHARS_MAX = 2_048;
const EVENT_FIELDS_MAX = 32;

/** Inside the transaction of what it tells. Long texts are cut, and extra fields dropped, so that one row stays small. */
export function appendEvent(db: Database, draft: EventDraft): number {
  const fields = Object.entries(draft.data ?? {}).slice(0, EVENT_FIELDS_MAX);
  const data = Object.fromEntries(fields.map(([key, value]) => [key.slice(0, 64), typeof value === "string" ? value.slice(0, EVENT_TEXT_CHARS_MAX) : value]));
  return db.run(
    "events.append",
    "INSERT INTO events (at, kind, host_id, host_name, data) VALUES (?, ?, ?, ?, ?)",
    draft.at,
    draft.kind,
    draft.host?.hostId ?? null,
    draft.host?.name ?? null,
    JSON.stringify(data),
  ).lastId;
}

export interface EventFilter {
  readonly afterSeq?: number;
  readonly beforeSeq?: number;
  readonly hostId?: string;
  readonly kinds?: readonly EventKind[];
  readonly limit: number;
  readonly order: "oldest-first" | "newest-first";
}

export function listEvents(db: Database, filter: EventFilter): readonly EventRow[] {
  const where: string[] = ["1 = 1"];
  const params: SqlValue[] = [];
  const and = (condition: string, ...values: readonly SqlValue[]): void => {
    where.push(condition);
    params.push(...values);
  };
  if (filter.afterSeq !== undefined) and("seq > ?", filter.afterSeq);
  if (filter.beforeSeq !== undefined) and("seq < ?", filter.beforeSeq);
  if (filter.hostId !== undefined) and("host_id = ?", filter.hostId);
  if (filter.kinds !== undefined) and("kind IN (SELECT value FROM json_each(?))", JSON.stringify(filter.kinds));
  const order = filter.order === "oldest-first" ? "ASC" : "DESC";
  return db.all<EventRow>(
    "events.list",
    `SELECT seq, at, kind, host_id, host_name, data FROM events WHERE ${where.join(" AND ")} ORDER BY seq ${order} LIMIT ?`,
    ...params,
    filter.limit,
  );
}

export function newestEventSeq(db: Database): number {
  return db.get<{ seq: number }>("events.newest", "SELECT coalesce(max(seq), 0) AS seq FROM events")?.seq ?? 0;
}
