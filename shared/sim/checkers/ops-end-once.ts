/**
 * Every op that the hub took ends, on each host that it was aimed at, in one final state; each host gives one final answer, which
 * says what happened: done means that the effect began, refused or expired that it did not, and an effect of which nobody knows the end
 * is never hidden behind either. A box that lost its database can't remember what it said; it is held to at-most-once alone.
 */
import { fromBase64, fromUtf8 } from "../../core/bytes.ts";
import { verifyOpLog } from "../../ops/op-log.ts";
import type { Database } from "../../ports/databases.ts";
import { returnPayload, type ReturnPayload } from "../../trust/payloads.ts";
import type { BoxView, Checker, View } from "./checker.ts";

interface Answer {
  readonly op_id: string;
  readonly host_id: string;
  readonly payload: ReturnPayload;
}

export function opsEndOnce(): Checker {
  const databases = new Map<string, Set<number>>();
  return {
    name: "ops-end-once",
    afterBox: (_view, box) => {
      const id = box.databaseId();
      const hostId = box.hostId();
      if (id === undefined || hostId === undefined) return;
      databases.set(hostId, (databases.get(hostId) ?? new Set()).add(id));
    },
    settled: (view) => {
      const database = view.hub.database();
      if (database === undefined || view.truth.ops.signed.size === 0) return [];
      const forgetful = (hostId: string): boolean => (databases.get(hostId)?.size ?? 0) > 1 || view.truth.rolledBack.has(hostId);
      const boxes = new Map(view.boxes.map((box) => [box.hostId() ?? "", box]));
      return [...openLacks(view, database), ...answerLacks(view, database, boxes, forgetful), ...logLacks(database, boxes, forgetful)];
    },
  };
}

function openLacks({ truth }: View, database: Database): readonly string[] {
  const open = database.all<{ op_id: string; host_id: string; state: string }>(
    "check",
    "SELECT op_id, host_id, op_targets.state AS state FROM op_targets JOIN ops USING (op_seq) WHERE op_targets.is_open = 1",
  );
  const lacks = open.map(({ op_id, host_id, state }) => `${op_id} is still ${state} on ${host_id}`);
  const ops = database.all<{ op_id: string; state: string; is_open: number; total: number; targets: number }>(
    "check",
    "SELECT op_id, state, is_open, total, (SELECT count(*) FROM op_targets WHERE op_seq = ops.op_seq) AS targets FROM ops",
  );
  const known = new Map(ops.map((op) => [op.op_id, op]));
  for (const { op_id, state, is_open, total, targets } of ops) {
    if (is_open === 1) lacks.push(`${op_id} is still ${state}`);
    if (is_open === 0 && total !== targets) lacks.push(`${op_id} was aimed at ${total} hosts and tracks ${targets}`);
  }
  if (truth.hubRestores > 0) return lacks;
  return [...lacks, ...[...truth.ops.accepted].filter((id) => !known.has(id)).map((id) => `${id} was confirmed and the hub does not have it`)];
}

function answersOf(database: Database): readonly Answer[] {
  return database
    .all<{ op_id: string; host_id: string; envelope: string }>("check", "SELECT op_id, host_id, envelope FROM op_returns WHERE verified = 1 ORDER BY seq")
    .map(({ op_id, host_id, envelope }) => {
      const { payload } = JSON.parse(envelope) as { payload: string };
      return { op_id, host_id, payload: returnPayload.parse(JSON.parse(fromUtf8(fromBase64(payload) ?? new Uint8Array()))) };
    });
}

function answerLacks(view: View, database: Database, boxes: ReadonlyMap<string, BoxView>, forgetful: (hostId: string) => boolean): readonly string[] {
  const lacks: string[] = [];
  const finals = new Map<string, Answer>();
  for (const answer of answersOf(database)) {
    const { op_id, host_id, payload } = answer;
    if (payload.state === "running") continue;
    const key = `${op_id} ${host_id}`;
    if (finals.has(key) && !forgetful(host_id))
      lacks.push(`${host_id} gave two final answers to ${op_id}: ${finals.get(key)?.payload.state}, ${payload.state}`);
    finals.set(key, answer);
  }
  for (const { op_id, host_id, payload } of finals.values()) {
    const label = view.truth.ops.signed.get(op_id)?.label;
    const machine = boxes.get(host_id)?.machine.name;
    if (label === undefined || machine === undefined || forgetful(host_id)) continue;
    const times = view.truth.ops.times(machine, label);
    if (payload.state === "done" && times !== 1) lacks.push(`${host_id} says that ${op_id} is done, and it ran ${times} times`);
    if (["refused", "busy", "expired"].includes(payload.state) && times !== 0) lacks.push(`${host_id} says that ${op_id} was ${payload.state}, and it ran`);
  }
  const hosts = new Map([...boxes].map(([hostId, box]) => [box.machine.name, hostId]));
  for (const { machine, label } of view.truth.ops.effects.values()) {
    const opId = view.truth.ops.byLabel.get(label)?.payload.id ?? "";
    const hostId = hosts.get(machine) ?? "";
    if (view.truth.hubRestores === 0 && !finals.has(`${opId} ${hostId}`) && !forgetful(hostId))
      lacks.push(`${machine} ran ${opId} and the hub never heard how it ended`);
  }
  return [...lacks, ...stateLacks(database, finals, forgetful)];
}

const STATE_OF: Readonly<Record<string, string>> = { done: "returned", interrupted: "failed" };

/** What the hub says of a host is what that host's answer says, or it said silent before the answer came. */
function stateLacks(database: Database, finals: ReadonlyMap<string, Answer>, forgetful: (hostId: string) => boolean): readonly string[] {
  const targets = database.all<{ op_id: string; host_id: string; state: string; late: string | null }>(
    "check",
    "SELECT op_id, host_id, op_targets.state AS state, late FROM op_targets JOIN ops USING (op_seq) WHERE op_targets.is_open = 0 AND answered = 1",
  );
  return targets.flatMap(({ op_id, host_id, state, late }) => {
    if (forgetful(host_id)) return [];
    const said = finals.get(`${op_id} ${host_id}`)?.payload.state;
    if (said === undefined) return [`${op_id} counts as answered by ${host_id}, and the answer is not there`];
    return (late ?? state) === (STATE_OF[said] ?? said) ? [] : [`${op_id} is ${late ?? state} on ${host_id}, which said ${said}`];
  });
}

function logLacks(database: Database, boxes: ReadonlyMap<string, BoxView>, forgetful: (hostId: string) => boolean): readonly string[] {
  const lacks: string[] = [];
  const answers = answersOf(database);
  for (const hostId of boxes.keys()) {
    if (forgetful(hostId)) continue;
    const lines = database
      .all<{ seq: number; sha256: string; entry: string }>("check", "SELECT seq, sha256, entry FROM op_log WHERE host_id = ? ORDER BY seq", hostId)
      .map(({ entry }) => entry);
    const verdict = verifyOpLog(lines);
    if (!verdict.ok) {
      lacks.push(`the log of ${hostId} breaks at entry ${verdict.brokenSeq}: ${verdict.because}`);
      continue;
    }
    const hashes = new Map(
      database
        .all<{ seq: number; sha256: string }>("check", "SELECT seq, sha256 FROM op_log WHERE host_id = ?", hostId)
        .map(({ seq, sha256 }) => [seq, sha256]),
    );
    for (const { host_id, op_id, payload } of answers) {
      if (host_id !== hostId || payload.log === undefined || payload.log.seq === 0) continue;
      if (hashes.get(payload.log.seq) !== payload.log.hash)
        lacks.push(`${hostId} signed another entry ${payload.log.seq} with its answer to ${op_id} than the log has`);
    }
  }
  return lacks;
}
