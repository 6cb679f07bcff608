/** What the hub said it has, it has: roots, bundles, specs and outbox rows that were acknowledged outlive every crash and power cut. */
import type { Checker } from "./checker.ts";

export function ackedWritesSurvive(): Checker {
  let restores = 0;
  let rollbacksSeen = 0;
  /** Metrics may be lost, and their numbers with them: only these count. By host id, in order. */
  const durable = new Map<string, { readonly database: number | undefined; readonly seqs: number[] }>();
  return {
    name: "acked-writes-survive",
    afterBox: (_view, box) => {
      const hostId = box.hostId();
      const rows = box.database()?.all<{ seq: number }>("check", "SELECT seq FROM outbox WHERE kind <> 'metrics' ORDER BY seq") ?? [];
      if (hostId === undefined) return;
      const database = box.databaseId();
      const before = durable.get(hostId);
      const known = before?.database === database && before !== undefined ? before : { database, seqs: [] };
      for (const { seq } of rows) if (seq > (known.seqs.at(-1) ?? 0)) known.seqs.push(seq);
      durable.set(hostId, known);
    },
    afterHub: ({ hub, truth }, report) => {
      const database = hub.database();
      if (database === undefined) return;
      for (const { seq, host_id } of database.all<{ seq: number; host_id: string }>(
        "check",
        "SELECT seq, host_id FROM events WHERE seq > ? AND kind = 'host.rolled-back' ORDER BY seq",
        rollbacksSeen,
      )) {
        rollbacksSeen = seq;
        truth.rolledBack.add(host_id);
        truth.ackedSeqs.delete(host_id);
      }
      if (truth.hubRestores !== restores) {
        // After a restore from a backup the promise begins anew.
        restores = truth.hubRestores;
        truth.ackedSeqs.clear();
        truth.ackedSpecs.clear();
        truth.acked.root = truth.acked.bundle = 0;
        return;
      }
      const newest = (table: string): number => database.get<{ version: number | null }>("check", `SELECT max(version) AS version FROM ${table}`)?.version ?? 0;
      if (truth.acked.root > 0 && newest("roots") < truth.acked.root) report(`root ${truth.acked.root} was confirmed, the hub holds ${newest("roots")}`);
      if (truth.acked.bundle > 0 && newest("bundles") < truth.acked.bundle)
        report(`bundle ${truth.acked.bundle} was confirmed, the hub holds ${newest("bundles")}`);
      for (const { host_id, acked_seq, spec_generation } of database.all<{ host_id: string; acked_seq: number; spec_generation: number }>(
        "check",
        "SELECT h.host_id, coalesce(a.acked_seq, 0) AS acked_seq, h.spec_generation FROM hosts AS h LEFT JOIN host_acks AS a ON a.host_id = h.host_id",
      )) {
        const acked = truth.ackedSeqs.get(host_id);
        const known = durable.get(host_id);
        const seq = acked !== undefined && acked.database === known?.database ? (known.seqs.findLast((one) => one <= acked.seq) ?? 0) : 0;
        if (acked_seq < seq) report(`${host_id}: outbox row ${seq} was acknowledged, the hub remembers ${acked_seq}`);
        const spec = truth.ackedSpecs.get(host_id) ?? 0;
        if (spec_generation < spec) report(`${host_id}: spec ${spec} was confirmed, the hub holds ${spec_generation}`);
      }
    },
  };
}
