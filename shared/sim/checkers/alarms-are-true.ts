/** The hub says of a box that it was put back to an older copy only when it was: not because a request of an earlier run, or an earlier one of the same, came late or twice. */
import type { Checker } from "./checker.ts";

export function alarmsAreTrue(): Checker {
  let seen = 0;
  /** By host id: the databases it has had. One that took another's place counts from the beginning, and is rightly called older. */
  const databases = new Map<string, Set<number>>();
  return {
    name: "alarms-are-true",
    afterBox: (_view, box) => {
      const [hostId, id] = [box.hostId(), box.databaseId()];
      if (hostId === undefined || id === undefined) return;
      databases.set(hostId, (databases.get(hostId) ?? new Set()).add(id));
    },
    afterHub: ({ hub }, report) => {
      const rows = hub
        .database()
        ?.all<{ seq: number; kind: string; host_id: string; data: string }>(
          "check",
          "SELECT seq, kind, host_id, data FROM events WHERE seq > ? AND kind IN ('host.rolled-back', 'host.cloned') ORDER BY seq",
          seen,
        );
      for (const { seq, kind, host_id, data } of rows ?? []) {
        seen = seq;
        if (kind === "host.cloned") report(`${host_id} is said to be two machines: ${data}`);
        else if ((databases.get(host_id)?.size ?? 0) < 2) report(`${host_id} is said to have been put back to an older copy: ${data}`);
      }
    },
  };
}
