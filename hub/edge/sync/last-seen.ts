/**
 * Contact: heard now in memory, on disk in batches once a minute. And the way back from silence: the sync of a host that counted as
 * stale or down makes it `up` at once and leaves an event.
 */
import type { Hub } from "../hub.ts";
import { appendEvent } from "../store/events.ts";
import { storeSeen } from "../store/hosts.ts";
import type { HostEntry } from "./host-table.ts";

export const FLUSH_MS = 60_000;
/** Rows in one commit: some milliseconds. */
const ROWS_PER_WRITE = 1_000;

export class LastSeen {
  readonly #hub: Hub;
  #dirty: HostEntry[] = [];

  constructor(hub: Hub) {
    this.#hub = hub;
  }

  heard(entry: HostEntry, nowMonoMs: number): void {
    const nowMs = this.#hub.world.clock.wallMs();
    if (nowMs - entry.seenWallMs >= this.#hub.settings.liveness.staleMs) entry.reachableSinceMs = nowMs;
    entry.seenWallMs = nowMs;
    entry.seenMonoMs = nowMonoMs;
    if (!entry.dirty) {
      entry.dirty = true;
      this.#dirty.push(entry);
    }
    if (entry.contact === "up") this.#hub.hosts.up.push(entry);
    else this.#back(entry);
  }

  /** Everything that changed since the last time, a bounded number of rows per commit. */
  async flush(): Promise<void> {
    const dirty = this.#dirty;
    this.#dirty = [];
    for (let at = 0; at < dirty.length; at += ROWS_PER_WRITE) {
      const part = dirty.slice(at, at + ROWS_PER_WRITE);
      // Before the write: what changes while it runs is written the next time.
      for (const entry of part) entry.dirty = false;
      try {
        await this.#hub.store.write("hosts.seen", (tx) => {
          for (const entry of part) storeSeen(tx.db, rowOf(entry));
        });
      } catch (error) {
        this.#again([...part, ...dirty.slice(at + ROWS_PER_WRITE)]);
        throw error;
      }
    }
  }

  #again(entries: readonly HostEntry[]): void {
    for (const entry of entries) {
      if (entry.dirty && this.#dirty.includes(entry)) continue;
      entry.dirty = true;
      this.#dirty.push(entry);
    }
  }

  #back(entry: HostEntry): void {
    const { hosts, store, world } = this.#hub;
    const was = entry.contact;
    const { contactSinceMs } = entry;
    const nowMs = world.clock.wallMs();
    hosts.setContact(entry, "up", nowMs);
    if (was === "never") return;
    const host = { hostId: entry.hostId, name: entry.name };
    store
      .write("hosts.recovered", (tx) => {
        storeSeen(tx.db, rowOf(entry));
        appendEvent(tx.db, { at: nowMs, kind: "host.recovered", host, data: { was, since: contactSinceMs } });
      })
      // The contact itself is flushed with the rest within a minute; only the story would be missing.
      .catch((error: unknown) => world.log.event("warn", "liveness.failed", { host_id: entry.hostId }, error));
  }
}

function rowOf(entry: HostEntry): Parameters<typeof storeSeen>[1] {
  return {
    host_id: entry.hostId,
    boot_id: entry.bootId === "" ? null : entry.bootId,
    boot_id_before: entry.bootIdBefore === "" ? null : entry.bootIdBefore,
    run: entry.run,
    agent_version: entry.agentVersion === "" ? null : entry.agentVersion,
    address: entry.address === "" ? null : entry.address,
    have_root: entry.haveRoot,
    have_cert: entry.haveCert,
    have_bundle: entry.haveBundle,
    have_spec: entry.haveSpec,
    last_seen_at: entry.seenWallMs === 0 ? null : entry.seenWallMs,
    contact: entry.contact,
    contact_since: entry.contactSinceMs,
  };
}
