/** The hub's own few facts: the epoch that every restore raises, and what other parts need exactly one of. */
import type { Database } from "../../../shared/ports/databases.ts";

export type MetaName = "hub_epoch" | "last_backup_at" | "write_probe";

export function readMeta(db: Database, name: MetaName): string | undefined {
  return db.get<{ value: string }>("meta.read", "SELECT value FROM meta WHERE name = ?", name)?.value;
}

/** Inside a transaction. */
export function writeMeta(db: Database, name: MetaName, value: string): void {
  db.run("meta.write", "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", name, value);
}

/** 1 on a hub that was never restored. */
export function hubEpoch(db: Database): number {
  return Number(readMeta(db, "hub_epoch") ?? "1");
}

/**
 * Inside a transaction, on the restored file, before a hub opens it. Not merely one more than the backup's: the same backup may be restored
 * twice, and boxes must see that the second hub is another than the first. So it is at least the time in seconds.
 */
export function raiseHubEpoch(db: Database, nowMs: number): number {
  const epoch = Math.max(hubEpoch(db) + 1, Math.floor(nowMs / 1_000));
  writeMeta(db, "hub_epoch", String(epoch));
  return epoch;
}
