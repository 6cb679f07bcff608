/** One look at who has gone silent: only at the front of the lists, and in bounded transactions. */
import { type Contact, decideContact, listeningSince, silentMs } from "../../core/liveness/contact.ts";
import type { Recency } from "../../core/liveness/recency.ts";
import type { Hub } from "../hub.ts";
import { appendEvent } from "../store/events.ts";
import { storeContact } from "../store/hosts.ts";
import type { HostEntry } from "../sync/host-table.ts";

const HOSTS_PER_WRITE = 500;

export class LivenessCheck {
  readonly #hub: Hub;
  #since: number;
  #lastCheck: number;

  constructor(hub: Hub) {
    this.#hub = hub;
    this.#since = hub.startedMonoMs;
    this.#lastCheck = hub.startedMonoMs;
  }

  async run(): Promise<void> {
    const { liveness } = this.#hub.settings;
    const nowMono = this.#hub.world.clock.monoMs();
    this.#since = listeningSince(this.#since, this.#lastCheck, nowMono, liveness);
    this.#lastCheck = nowMono;
    await this.#turn(this.#hub.hosts.stale, nowMono);
    await this.#turn(this.#hub.hosts.up, nowMono);
  }

  async #turn(list: Recency<HostEntry>, nowMono: number): Promise<void> {
    for (;;) {
      const due = this.#dueOf(list, nowMono);
      if (due.length === 0) return;
      const nowMs = this.#hub.world.clock.wallMs();
      await this.#hub.store.write("liveness.turned", (tx) => {
        for (const { entry, contact } of due) {
          // It was heard while this write waited.
          if (entry.inList !== list || silentMs(entry.seenMonoMs, this.#since, nowMono) === 0) continue;
          storeContact(tx.db, entry.hostId, contact, nowMs);
          const host = { hostId: entry.hostId, name: entry.name };
          appendEvent(tx.db, {
            at: nowMs,
            kind: contact === "down" ? "host.down" : "host.stale",
            host,
            data: { last_seen_at: entry.seenWallMs === 0 ? null : entry.seenWallMs },
          });
          tx.afterCommit(() => this.#hub.hosts.setContact(entry, contact, nowMs));
        }
      });
      if (due.length < HOSTS_PER_WRITE) return;
    }
  }

  #dueOf(list: Recency<HostEntry>, nowMono: number): readonly { readonly entry: HostEntry; readonly contact: Contact }[] {
    const due: { entry: HostEntry; contact: Contact }[] = [];
    for (let entry = list.first; entry !== undefined && due.length < HOSTS_PER_WRITE; entry = entry.heardAfter) {
      // A held request is contact: its connection is open, and it was read when it came.
      const contact = decideContact(entry.contact, silentMs(entry.seenMonoMs, this.#since, nowMono), this.#hub.settings.liveness);
      if (contact === entry.contact) break;
      due.push({ entry, contact });
    }
    return due;
  }
}
