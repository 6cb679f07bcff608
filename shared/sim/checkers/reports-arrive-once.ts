/**
 * The outbox loses nothing and doubles nothing: each signed row that a box queued, and that the hub acknowledged, is stored at the hub
 * exactly once under its number, with the bytes that were queued.
 */
import type { Checker } from "./checker.ts";

interface Queued {
  readonly hostId: string;
  readonly seq: number;
  readonly payload: string;
}

export function reportsArriveOnce(): Checker {
  const queued = new Map<string, Queued>();
  const settledUpTo = new Map<string, number>();
  return {
    name: "reports-arrive-once",
    afterBox: (_view, box, report) => {
      const database = box.database();
      const hostId = box.hostId();
      if (database === undefined || hostId === undefined) return;
      const rows = database.all<{ seq: number; body: string }>("check", "SELECT seq, body FROM outbox WHERE kind IN ('report', 'facts', 'return') ORDER BY seq");
      for (const { seq, body } of rows) {
        const { payload } = JSON.parse(body) as { payload: string };
        const before = queued.get(`${hostId} ${seq}`);
        if (before !== undefined && before.payload !== payload) report(`${hostId}: number ${seq} was given to two different rows`);
        queued.set(`${hostId} ${seq}`, { hostId, seq, payload });
      }
    },
    afterHub: ({ hub, truth }, report) => {
      const database = hub.database();
      if (database === undefined) return;
      const twice = database.get<{ host_id: string; seq: number }>("check", "SELECT host_id, seq FROM reports GROUP BY host_id, kind, seq HAVING count(*) > 1 LIMIT 1");
      if (twice !== undefined) report(`${twice.host_id}: row ${twice.seq} is stored twice`);
      if (truth.hubRestores > 0) return;
      for (const [hostId, acked] of truth.ackedSeqs) {
        for (let seq = (settledUpTo.get(hostId) ?? 0) + 1; seq <= acked; seq += 1) {
          const row = queued.get(`${hostId} ${seq}`);
          if (row === undefined) continue;
          queued.delete(`${hostId} ${seq}`);
          const stored = database.get<{ envelope: string }>("check", "SELECT envelope FROM reports WHERE host_id = ? AND seq = ?", hostId, seq);
          if (stored === undefined) report(`${hostId}: row ${seq} was acknowledged and is not stored`);
          else if ((JSON.parse(stored.envelope) as { payload: string }).payload !== row.payload) report(`${hostId}: row ${seq} is stored with other bytes than were queued`);
        }
        settledUpTo.set(hostId, Math.max(settledUpTo.get(hostId) ?? 0, acked));
      }
    },
  };
}
