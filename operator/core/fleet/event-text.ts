import { ageOf, isoTime } from "../../../shared/cli/age.ts";
import { paint, type Style } from "../../../shared/cli/colour.ts";
import { escapeUntrusted } from "../../../shared/cli/escape.ts";
import { table, truncate, type Cell } from "../../../shared/cli/table.ts";
import type { Terminal } from "../../../shared/ports/terminal.ts";
import { EVENT_KINDS, type EventItem } from "../../../shared/protocol/api/fleet.ts";
import { actorText } from "../trust/actor-text.ts";

/** Events as a table, as a line of a live view, and as data. Their texts come from boxes and hubs: escaped, always. */
export interface EventPaper {
  readonly nowMs: number;
  readonly terminal: Pick<Terminal, "outIsTty" | "columns" | "colour" | "unicode">;
  /** Names the keys that acted. */
  readonly root: Parameters<typeof actorText>[1];
  readonly withHost: boolean;
}

export function eventTable(events: readonly EventItem[], paper: EventPaper): string {
  const rows = events.map((event): readonly Cell[] => [
    ageOf(event.at, paper.nowMs),
    { text: event.kind, style: styleOf(event.kind) },
    ...(paper.withHost ? [event.host_name ?? event.host_id] : []),
    detailText(event, paper.root),
  ]);
  return table(
    [
      { title: "AGE", align: "right" },
      { title: "WHAT" },
      ...(paper.withHost ? [{ title: "HOST", flex: true }] : []),
      { title: "DETAIL", flex: true, least: 12 },
    ],
    rows,
    paper.terminal,
  );
}

/** One more than the longest kind. */
const KIND_CELLS = Math.max(...EVENT_KINDS.map((kind) => kind.length)) + 2;
const HOST_CELLS = 16;

/** `21:14:03  host.down  szeg-1  no sync for 10 min`. Columns line up without knowing what comes next. */
export function eventLine(event: EventItem, { terminal, root }: Pick<EventPaper, "terminal" | "root">): string {
  const host = escapeUntrusted(event.host_name ?? event.host_id ?? "");
  const head = `${isoTime(event.at).slice(11, 19)}  `;
  const room = terminal.outIsTty ? Math.max(12, terminal.columns - head.length - KIND_CELLS - HOST_CELLS - 2) : Number.POSITIVE_INFINITY;
  return `${paint(terminal, "quiet", head)}${paint(terminal, styleOf(event.kind), event.kind.padEnd(KIND_CELLS))}${host.padEnd(HOST_CELLS)}  ${truncate(escapeUntrusted(detailText(event, root)), room, terminal)}`.trimEnd();
}

export function eventData(event: EventItem): Readonly<Record<string, unknown>> {
  return { seq: event.seq, at: isoTime(event.at), event: event.kind, hostId: event.host_id, host: event.host_name, data: event.data };
}

/** What people look for first; ids that only machines follow are left to `-o json`. */
const FIRST = ["message", "because", "note", "reason", "code"];
const BARE = ["message", "because", "note"];
const MACHINE = ["request_id"];

/** `code=render_failed  because="no such setting"`: counts of zero say nothing, times are told as times. */
export function detailText(event: Pick<EventItem, "data">, root: EventPaper["root"]): string {
  const rank = (key: string): number => (FIRST.includes(key) ? FIRST.indexOf(key) : FIRST.length);
  return Object.entries(event.data)
    .filter(([key, value]) => value !== null && value !== "" && value !== 0 && !MACHINE.includes(key))
    .toSorted(([a], [b]) => rank(a) - rank(b))
    .map(([key, value]) => (BARE.includes(key) ? String(value) : `${key}=${valueText(key, key === "by" ? actorText(String(value), root) : value)}`))
    .join("  ");
}

function valueText(key: string, value: string | number | boolean | null): string {
  if (typeof value === "number" && /_(?:at|until)$/.test(key)) return isoTime(value);
  return typeof value === "string" && /[\s"]/.test(value) ? JSON.stringify(value) : String(value);
}

const BAD = ["host.down", "host.failed", "host.cloned", "host.rolled-back", "hub.limit-hit"];
const WARN = ["host.stale", "host.drifted", "host.degraded", "host.enroll-requested", "hub.restored"];
const GOOD = ["host.recovered", "host.converged", "host.approved"];

function styleOf(kind: string): Style {
  return BAD.includes(kind) ? "bad" : WARN.includes(kind) ? "warn" : GOOD.includes(kind) ? "good" : "plain";
}
