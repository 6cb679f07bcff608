import type { Database } from "../../../shared/ports/databases.ts";

/** Numbers that survive a restart. */
export type Counter =
  | "run"
  | "hub_epoch"
  | "url_at"
  | "next_seq"
  | "sent_seq"
  | "counted"
  | "dropped_rows"
  | "dropped_bytes"
  | "reported_ms"
  | "facts_ms"
  | "metrics_ms"
  | "op_pause_until";

export function readCounter(database: Database, name: Counter): number {
  return database.get<{ value: number }>("counter.read", "SELECT value FROM counter WHERE name = ?", name)?.value ?? 0;
}

export function writeCounter(database: Database, name: Counter, value: number): void {
  database.run("counter.write", "INSERT INTO counter (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", name, value);
}
