import type { EventItem } from "../../../../shared/protocol/api/fleet.ts";
import type { EventRow } from "../../store/events.ts";

export function eventOf(row: EventRow): EventItem {
  const data: EventItem["data"] = JSON.parse(row.data);
  return { seq: row.seq, at: row.at, kind: row.kind, host_id: row.host_id, host_name: row.host_name, data };
}
