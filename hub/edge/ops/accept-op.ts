/**
 * An op on its way in: read as a signer reads it, its signatures counted for its class against the root in force, and, once the
 * threshold is met, given its hosts. All of this is a courtesy to the operator, who learns at once what every box would say; each
 * box looks at everything again.
 */
import { type Job, type JobEvent, newJob, type Plan } from "../../core/ops/job.ts";
import { isOpenTarget, type Target, turnTarget } from "../../core/ops/target-state.ts";
import { placeHosts } from "../../core/ops/pacing.ts";
import { opTraits, timeoutMsOf } from "../../../shared/ops/catalogue.ts";
import { checkAim } from "../../../shared/ops/op-target.ts";
import { sha256Hex } from "../../../shared/core/sha256.ts";
import { fromBase64, fromUtf8, utf8 } from "../../../shared/core/bytes.ts";
import type { Pacing } from "../../../shared/protocol/api/ops.ts";
import type { Envelope } from "../../../shared/protocol/fields.ts";
import { type DraftedOp, isUnsigned, readDraft, type Standing, standingOf, verifyOp } from "../../../shared/trust/op.ts";
import { OP_FUTURE_MS_MAX, OP_LIFETIME_MS_MAX } from "../../../shared/trust/payloads.ts";
import type { TrustedRoot } from "../../../shared/trust/root.ts";
import { accept, refuse, type Verdict } from "../../../shared/trust/verdict.ts";
import { parseEnvelope } from "../../../shared/trust/envelope.ts";
import type { Hub } from "../hub.ts";
import { appendEvent } from "../store/events.ts";
import { finalReturns } from "../store/op-returns.ts";
import { insertTargets, storeTarget } from "../store/op-targets.ts";
import { jobOf, type OpRow, openOpsAimedAlike, opBySeq, storeAcceptance, storeJob } from "../store/ops.ts";
import type { Tx } from "../store/store.ts";
import { eventOf } from "./take-return.ts";
import { firstStep, folded, runJob } from "./run-job.ts";

/** A box runs an op in its last moment, and its answer waits for the next sync and the way back from silence. */
const ANSWER_GRACE_MS = 600_000;
/** Nobody waits for the answer of a kind that is not kept. */
const ANSWER_GRACE_DROPPED_MS = 60_000;
/** Above the time for which a sync is held. */
const PATIENCE_MS = 60_000;
const RETURNS_PER_READ = 1_000;

export interface IncomingOp {
  readonly draft: DraftedOp;
  readonly standing: Standing;
  /** Nobody signs it: its kind needs no signature. */
  readonly isUnsigned: boolean;
  /** Only the signatures that count. */
  readonly envelope: Envelope;
}

/** Payload bytes with what signatures there are. */
export function readIncoming(envelope: Envelope, root: TrustedRoot, nowMs: number): Verdict<IncomingOp> {
  const bytes = fromBase64(envelope.payload);
  if (bytes === undefined) return refuse("envelope_malformed", "payload is not canonical base64");
  const drafted = readDraft(bytes, root);
  if (!drafted.ok) return drafted;
  const draft = drafted.value;
  const timely = judgeTimes(draft, nowMs);
  if (!timely.ok) return timely;
  const aim = checkAim(draft.payload.kind, draft.payload.target);
  if (!aim.ok) return aim;
  if (isUnsigned(envelope)) {
    const verified = verifyOp({ envelope, root });
    return verified.ok ? accept({ draft, standing: standingOf(bytes, [], draft.class, root), isUnsigned: true, envelope }) : verified;
  }
  const counting = envelope.signatures.filter((signature) => standingOf(bytes, [signature], draft.class, root).signers.length === 1);
  const { payload, payloadType } = envelope;
  return accept({
    draft,
    standing: standingOf(bytes, counting, draft.class, root),
    isUnsigned: false,
    envelope: { payload, payloadType, signatures: counting },
  });
}

/** As every box judges them; a hub whose clock is wrong refuses too much, never too little. */
function judgeTimes({ payload }: DraftedOp, nowMs: number): Verdict<undefined> {
  const { issued_at, expires_at } = payload;
  if (issued_at > nowMs + OP_FUTURE_MS_MAX) return refuse("from_future", `issued ${issued_at - nowMs} ms after this hub's time`);
  if (nowMs >= expires_at) return refuse("expired", `since ${nowMs - expires_at} ms`);
  return expires_at - issued_at > OP_LIFETIME_MS_MAX ? refuse("lifetime_too_long", "an op lives for at most 30 days") : accept(undefined);
}

export const isEnough = ({ standing, isUnsigned: free }: IncomingOp): boolean => free || standing.signers.length >= standing.threshold;

export const targetKeyOf = ({ payload }: { readonly payload: Pick<DraftedOp["payload"], "target"> }): string => sha256Hex(utf8(JSON.stringify(payload.target)));

export function planOf(draft: DraftedOp, pacing: Pacing | undefined, placing: { readonly batches: number; readonly canaries: boolean }): Plan {
  const dropsAway = opTraits(draft.payload.kind)?.offline === "drop";
  const timeoutMs = timeoutMsOf(draft.op);
  return {
    batches: placing.batches,
    canaries: placing.canaries,
    pauseMs: (pacing?.pause_s ?? 0) * 1_000,
    maxFail: pacing?.max_fail ?? null,
    patienceMs: (dropsAway ? 0 : timeoutMs) + PATIENCE_MS,
    dropsAway,
    expiresAtMs: draft.payload.expires_at,
    answerByMs: draft.payload.expires_at + timeoutMs + (dropsAway ? ANSWER_GRACE_DROPPED_MS : ANSWER_GRACE_MS),
  };
}

/** Inside the transaction that stores its last signature: its hosts are written, older ones of its kind make room, held syncs wake after the commit. */
export function acceptOp(hub: Hub, tx: Tx, opSeq: number, draft: DraftedOp, hostIds: readonly string[], pacing: Pacing | undefined, nowMs: number): void {
  const row = opBySeq(tx.db, opSeq);
  if (row === undefined) return;
  const placing = placeHosts(hostIds, pacing);
  const plan = planOf(draft, pacing, placing);
  storeAcceptance(tx.db, opSeq, hostIds.length, nowMs);
  appendEvent(tx.db, { at: nowMs, kind: "op.queued", data: { op_id: row.op_id, op: row.kind, class: row.class, hosts: hostIds.length, by: row.drafted_by } });
  const known = answeredBefore(tx, row);
  const targets = placing.placed.map(({ hostId, batch }) => {
    const before: Target = { at: batch === 0 ? "waiting" : "queued", sinceMs: nowMs, code: null, answered: false, late: null };
    const step = known.get(hostId) ?? (batch === 0 ? firstStep({ hub, tx, nowMs, dropsAway: plan.dropsAway }, hostId, opSeq) : undefined);
    return { hostId, batch, before, after: step === undefined ? before : turnTarget(before, step, nowMs) };
  });
  insertTargets(
    tx.db,
    opSeq,
    targets.map(({ hostId, batch, before, after }) => ({ host_id: hostId, batch, state: isBare(after) ? after.at : before.at })),
    nowMs,
  );
  const released = targets.filter(({ batch }) => batch === 0).length;
  const job = newJob(plan, { total: hostIds.length, released }, nowMs);
  for (const { hostId, after } of targets) {
    if (!isBare(after)) storeTarget(tx.db, opSeq, hostId, after);
    if (after.at === "waiting" || after.at === "delivered") tx.afterCommit(() => hub.jobs.released(hostId, row, after.at));
  }
  const moves = targets.map(({ before, after, batch }) => ({ from: before.at, to: after.at, batch }));
  start({ hub, tx, row, nowMs }, job, moves);
  if (opTraits(row.kind)?.offline === "replace") replaceOlder(hub, tx, row, nowMs);
}

/** Nothing but its state is to be written: a new row says it in the one write for all. */
const isBare = (target: Target): boolean => isOpenTarget(target.at) && target.code === null && !target.answered;

function start(run: Parameters<typeof runJob>[0], job: Job, moves: Parameters<typeof folded>[0]): void {
  storeJob(run.tx.db, run.row.op_seq, job, "signed", undefined);
  runJob(run, job, [...folded(moves).map((move): JobEvent => ({ on: "moved", ...move })), { on: "time" }]);
}

/** A newer one of the same kind with the same aim takes the place of what no box has yet. */
function replaceOlder(hub: Hub, tx: Tx, row: OpRow, nowMs: number): void {
  for (const opSeq of openOpsAimedAlike(tx.db, row.kind, row.target_key, row.op_seq)) {
    const older = opBySeq(tx.db, opSeq);
    const job = older === undefined ? undefined : jobOf(older);
    if (older !== undefined && job !== undefined) runJob({ hub, tx, row: older, nowMs }, job, [{ on: "stopped", because: "replaced" }]);
  }
}

/** Answers that came before the op itself: it went another way first, or this hub was restored. */
function answeredBefore(tx: Tx, row: OpRow): ReadonlyMap<string, NonNullable<ReturnType<typeof eventOf>>> {
  const known = new Map<string, NonNullable<ReturnType<typeof eventOf>>>();
  for (let after = 0; ; ) {
    const page = finalReturns(tx.db, row.op_id, after, RETURNS_PER_READ);
    for (const { host_id, envelope } of page) {
      const read = payloadIn(envelope);
      const event = read === undefined || read.op_sha256 !== row.sha256 ? undefined : eventOf(read);
      if (event?.on === "answered" && !known.has(host_id)) known.set(host_id, event);
    }
    const last = page.at(-1);
    if (last === undefined || page.length < RETURNS_PER_READ) return known;
    after = last.seq;
  }
}

/** Of a record that was verified before it was stored. */
function payloadIn(text: string): (Parameters<typeof eventOf>[0] & { readonly op_sha256: string }) | undefined {
  const envelope = parseEnvelope(utf8(text));
  const bytes = envelope.ok ? fromBase64(envelope.value.payload) : undefined;
  return bytes === undefined ? undefined : JSON.parse(fromUtf8(bytes));
}
