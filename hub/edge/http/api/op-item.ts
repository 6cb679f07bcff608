/** Rows of ops as the API shows them. Everything that was signed goes out as it was stored. */
import { NO_COUNTS } from "../../../core/ops/job.ts";
import { type OpItem, type OpLogItem, type OpProgress, type OpReturnItem, type OpTargetItem, pacing } from "../../../../shared/protocol/api/ops.ts";
import { type Envelope, hostId } from "../../../../shared/protocol/fields.ts";
import type { Database } from "../../../../shared/ports/databases.ts";
import type { Hub } from "../../hub.ts";
import type { OpLogRow } from "../../store/op-log.ts";
import type { ListedReturn } from "../../store/op-returns.ts";
import { countStates, type ListedTarget } from "../../store/op-targets.ts";
import { jobOf, opEnvelope, type OpRow } from "../../store/ops.ts";
import { storedEnvelope } from "../../trust/load-root.ts";

export function opItemOf(db: Database, row: OpRow): OpItem {
  const { payload, signatures } = signedParts(opEnvelope(db, row.op_seq));
  return {
    op_id: row.op_id,
    kind: row.kind,
    state: row.state,
    payload,
    signatures,
    drafted_by: row.drafted_by,
    accepted_at: row.accepted_at ?? row.created_at,
    expires_at: row.expires_at,
    pacing: row.pacing === null ? null : pacing.parse(JSON.parse(row.pacing)),
    counts: countsOf(db, row),
    total: row.total,
    note: row.note,
    cancel_asked: row.cancelled_by !== null,
  };
}

/** The column holds an envelope, or, while nobody has signed, one without signatures, which is none. */
export function signedParts(text: string | undefined): Pick<Envelope, "payload" | "payloadType" | "signatures"> {
  const parts: Pick<Envelope, "payload" | "payloadType" | "signatures"> =
    text === undefined ? { payload: "", payloadType: "", signatures: [] } : JSON.parse(text);
  return parts;
}

/** From the job's counters; from the rows they count where the job can't be read. */
function countsOf(db: Database, row: OpRow): OpItem["counts"] {
  try {
    return { ...(jobOf(row)?.counts ?? NO_COUNTS) };
  } catch {
    return { ...NO_COUNTS, ...Object.fromEntries(countStates(db, row.op_seq).map(({ state, count }) => [state, count])) };
  }
}

export const opProgressOf = (db: Database, row: OpRow): OpProgress => ({ op_id: row.op_id, state: row.state, counts: countsOf(db, row), total: row.total });

export function opTargetOf(hub: Hub, row: ListedTarget): OpTargetItem {
  const entry = hub.hosts.get(row.host_id);
  return {
    host_id: hostId.parse(row.host_id),
    name: entry?.name ?? row.name ?? row.host_id,
    state: row.state,
    since: row.since,
    last_seen_at: entry === undefined || entry.seenWallMs === 0 ? row.last_seen_at : entry.seenWallMs,
    code: row.code,
    late_state: row.late,
  };
}

export function opReturnOf(row: ListedReturn): OpReturnItem {
  return { seq: row.seq, host_id: hostId.parse(row.host_id), received_at: row.received_at, envelope: storedEnvelope("return", row.envelope) };
}

export const opLogOf = ({ seq, received_at, entry }: OpLogRow): OpLogItem => ({ seq, received_at, entry });
