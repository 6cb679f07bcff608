/**
 * The outbox loses nothing and doubles nothing: each signed row that a box queued, and that the hub acknowledged, is stored at the hub
 * under its number with the bytes that were queued, and exactly once. Only a box that lost its database (its numbers begin anew)
 * may have something told twice: better twice than never.
 */
import type { Database } from "../../ports/databases.ts";
import type { Checker } from "./checker.ts";

interface Queue {
  readonly database: number | undefined;
  readonly payloads: Map<number, string>;
  readonly seqs: Map<string, number>;
  settledUpTo: number;
}

/** Answers to ops are kept apart, under the op and not under their number. */
function returnsLike(database: Database, hostId: string, payload: string): readonly { envelope: string }[] {
  const { op_id, part } = JSON.parse(Buffer.from(payload, "base64").toString("utf8")) as { op_id?: string; part?: number };
  if (op_id === undefined || part === undefined) return [];
  return database.all("check", "SELECT envelope FROM op_returns WHERE host_id = ? AND op_id = ? AND part = ?", hostId, op_id, part);
}

export function reportsArriveOnce(): Checker {
  const queues = new Map<string, Queue>();
  const beganAnew = new Set<string>();
  return {
    name: "reports-arrive-once",
    afterBox: (_view, box, report) => {
      const database = box.database();
      const hostId = box.hostId();
      if (database === undefined || hostId === undefined) return;
      const before = queues.get(hostId);
      const isSame = before !== undefined && before.database === box.databaseId();
      if (before !== undefined && !isSame) beganAnew.add(hostId);
      const queue = isSame ? before : { database: box.databaseId(), payloads: new Map<number, string>(), seqs: new Map<string, number>(), settledUpTo: 0 };
      queues.set(hostId, queue);
      const rows = database
        .all<{ seq: number; body: string }>("check", "SELECT seq, body FROM outbox WHERE kind IN ('report', 'facts', 'return') ORDER BY seq")
        .map(({ seq, body }) => ({ seq, payload: (JSON.parse(body) as { payload: string }).payload }));
      for (const { seq, payload } of rows) {
        const old = queue.seqs.get(payload);
        if (old !== undefined && old !== seq) queue.payloads.delete(old); // renumbered above what the hub counted before
        if (old === undefined && seq <= queue.settledUpTo) report(`${hostId}: number ${seq} was given again after it was acknowledged`);
      }
      for (const { seq, payload } of rows) {
        const known = queue.payloads.get(seq);
        const wasHere = queue.seqs.get(payload) ?? seq;
        if (known !== undefined && known !== payload && wasHere === seq) report(`${hostId}: number ${seq} was given to two different rows`);
        queue.seqs.set(payload, seq);
        if (seq > queue.settledUpTo) queue.payloads.set(seq, payload);
      }
    },
    afterHub: ({ hub, truth }, report) => {
      const database = hub.database();
      if (database === undefined) return;
      for (const { host_id, seq } of database.all<{ host_id: string; seq: number }>(
        "check",
        "SELECT host_id, seq FROM reports GROUP BY host_id, kind, seq HAVING count(*) > 1",
      )) {
        if (!beganAnew.has(host_id) && !truth.rolledBack.has(host_id)) report(`${host_id}: row ${seq} is stored twice`);
      }
      if (truth.hubRestores > 0) return;
      for (const [hostId, acked] of truth.ackedSeqs) {
        const queue = queues.get(hostId);
        if (queue === undefined || queue.database !== acked.database) continue;
        for (let seq = queue.settledUpTo + 1; seq <= acked.seq; seq += 1) {
          const payload = queue.payloads.get(seq);
          queue.payloads.delete(seq);
          if (payload === undefined) continue;
          const reports = database.all<{ envelope: string }>("check", "SELECT envelope FROM reports WHERE host_id = ? AND seq = ?", hostId, seq);
          const stored = [...reports, ...returnsLike(database, hostId, payload)];
          const isThere = stored.some(({ envelope }) => (JSON.parse(envelope) as { payload: string }).payload === payload);
          if (!isThere) report(`${hostId}: row ${seq} was acknowledged and is not stored${stored.length > 0 ? " with the bytes that were queued" : ""}`);
        }
        queue.settledUpTo = Math.max(queue.settledUpTo, acked.seq);
      }
    },
  };
}
