/**
 * Carries out what a job's turn asks for: rows of targets are turned one by one by the pure function, their moves go back into the
 * job, until it asks for nothing more or this write has moved enough. All inside one transaction; what memory and waiting boxes must
 * know comes after the commit. No choice is made here.
 */
import { dueAtOf, isOver, type Job, type JobEffect, type JobEvent, opStateOf, released, turnJob } from "../../core/ops/job.ts";
import { isOpenTarget, type Target, type TargetEvent, turnTarget } from "../../core/ops/target-state.ts";
import type { TargetState } from "../../../shared/protocol/api/ops.ts";
import type { Hub } from "../hub.ts";
import { appendEvent } from "../store/events.ts";
import { finishOp, jobOf, opBySeq, type OpRow, storeJob } from "../store/ops.ts";
import { countBatch, openTargets, storeTarget, targetOf, type TargetRow } from "../store/op-targets.ts";
import type { Tx } from "../store/store.ts";

/** Rows that one write moves. What is left is due at once and goes with the next write. */
export const MOVES_PER_WRITE = 2_000;
/** A release is one step: its batch is as large as the operator made it. */
const RELEASE_MAX = 100_000;

export interface JobRun {
  readonly hub: Hub;
  readonly tx: Tx;
  readonly row: Pick<OpRow, "op_seq" | "op_id" | "kind">;
  readonly nowMs: number;
  /** Moves that are not in the job yet. */
  readonly pending?: readonly Move[];
}

type MovingEffect = Exclude<JobEffect, { readonly run: "release" }>;

/**
 * One host moved: the job is turned at the end of the commit, once for all answers in it. A thousand hosts answer at the same
 * moment, and one row counts them.
 */
export function leaveMove({ hub, tx, row }: JobRun, move: Move): void {
  tx.atEnd(endKey(row.op_seq), move, {
    run: (end, moves) => {
      const op = opBySeq(end.db, row.op_seq);
      const job = op === undefined ? undefined : jobOf(op);
      if (op !== undefined && job !== undefined) runJob({ hub, tx: end, row: op, nowMs: hub.world.clock.wallMs(), pending: moves }, job, []);
    },
    failed: (error) => hub.jobs.drifted(row.op_seq, error),
  });
}

const endKey = (opSeq: number): string => `job ${opSeq}`;
// Only `leaveMove` puts something under this key.
const pendingMoves = (tx: Tx, opSeq: number): readonly Move[] => tx.takeEnd(endKey(opSeq)) as readonly Move[];

interface Running extends JobRun {
  readonly dropsAway: boolean;
}

export interface Move {
  readonly from: TargetState;
  readonly to: TargetState;
  readonly batch: number;
}

/** Stores the job as the events leave it. Returns it. */
export function runJob(given: JobRun, before: Job, events: readonly JobEvent[]): Job {
  const run: Running = { ...given, dropsAway: before.plan.dropsAway };
  const { hub, tx, row, nowMs } = run;
  let job = before;
  let moves = 0;
  let effects: readonly JobEffect[] = [];
  const feed = (event: JobEvent): void => {
    const turn = turnJob(job, event, nowMs);
    job = turn.job;
    effects = turn.effects;
    // A release must not be lost behind the next event: it is done in the turn that asks for it.
    for (const effect of turn.effects) if (effect.run === "release") job = release(run, job, effect.batch);
  };
  // What answers in the same commit left to the end comes first: it happened first.
  for (const move of inRuns(run.pending ?? pendingMoves(tx, row.op_seq))) feed({ on: "moved", ...move });
  for (const event of events) feed(event);
  for (;;) {
    const effect = effects.find((asked): asked is MovingEffect => asked.run !== "release");
    const isReleased = effects.some(({ run: what }) => what === "release");
    if ((effect === undefined && !isReleased) || moves >= MOVES_PER_WRITE) break;
    if (effect === undefined) {
      feed({ on: "time" });
      continue;
    }
    const moved = moveAll(run, effect);
    moves += moved.length;
    for (const move of folded(moved)) feed({ on: "moved", ...move });
    if (moved.length === 0) break;
  }
  if (job.stop !== null && before.stop === null)
    appendEvent(tx.db, { at: nowMs, kind: "op.stopped", data: { op_id: row.op_id, op: row.kind, because: job.stop } });
  if (isOver(job)) finish(run, job);
  else storeJob(tx.db, row.op_seq, job, opStateOf(job), dueAtOf(job));
  tx.afterCommit(() => hub.jobs.changed(row.op_id));
  return job;
}

function finish({ hub, tx, row, nowMs }: JobRun, job: Job): void {
  tx.afterCommit(() => hub.jobs.finished(row.op_id));
  const state = opStateOf(job);
  storeJob(tx.db, row.op_seq, job, state, undefined);
  finishOp(tx.db, row.op_seq, state, nowMs);
  const counts = Object.fromEntries(Object.entries(job.counts).filter(([, count]) => count > 0));
  appendEvent(tx.db, { at: nowMs, kind: "op.finished", data: { op_id: row.op_id, op: row.kind, state, ...counts } });
}

function release(run: Running, job: Job, batch: number): Job {
  const { tx, row, nowMs } = run;
  const moved = openTargets(tx.db, row.op_seq, ["queued"], batch, RELEASE_MAX).map((target) => turnRow(run, target, { on: "released" }));
  let now = job;
  for (const move of folded(moved)) now = turnJob(now, { on: "moved", ...move }, nowMs).job;
  return released(now, countBatch(tx.db, row.op_seq, batch).open);
}

const MOVED_BY: Readonly<Record<MovingEffect["run"], readonly TargetState[]>> = {
  withdraw: ["queued", "waiting"],
  end: ["queued", "waiting"],
  "drop-away": ["waiting"],
  "give-up": ["delivered", "running"],
};

function moveAll(run: Running, effect: MovingEffect): readonly Move[] {
  const { tx, row } = run;
  const rows = openTargets(tx.db, row.op_seq, MOVED_BY[effect.run], undefined, MOVES_PER_WRITE);
  return rows.map((target) => turnRow(run, target, eventOf(effect)));
}

function eventOf(effect: MovingEffect): TargetEvent {
  switch (effect.run) {
    case "withdraw":
      return { on: "withdrawn", because: effect.because };
    case "end":
      return { on: "ended" };
    case "drop-away":
      return { on: "away" };
    case "give-up":
      return { on: "given-up" };
  }
}

/** One host's row, turned and stored; memory follows after the commit. */
function turnRow(run: Running, row: TargetRow, event: TargetEvent): Move {
  const before = targetOf(row);
  let after = turnTarget(before, event, run.nowMs);
  if (event.on === "released") after = turnTarget(after, firstStep(run, row.host_id, run.row.op_seq), run.nowMs);
  storeTurned(run, row, before, after);
  return { from: before.at, to: after.at, batch: row.batch };
}

/**
 * What becomes of a host at its release: a box whose request is held gets it with this very step, one write less on the way; one that is
 * away is given up at once where the kind says so; all others wait for their box to ask (`released` changes nothing then).
 */
export function firstStep({ hub, tx, nowMs, dropsAway }: Pick<Running, "hub" | "tx" | "nowMs" | "dropsAway">, hostId: string, opSeq: number): TargetEvent {
  if (hub.carrier.isAttached(hostId)) {
    hub.carrier.copy(tx, opSeq, hostId, nowMs);
    return { on: "offered" };
  }
  if (hub.jobs.isHeld(hostId)) return { on: "offered" };
  return dropsAway && hub.jobs.isAway(hostId) ? { on: "away" } : { on: "released" };
}

export function storeTurned({ hub, tx, row: op }: JobRun, row: Pick<TargetRow, "host_id">, before: Target, after: Target): void {
  if (after === before) return;
  storeTarget(tx.db, op.op_seq, row.host_id, after);
  if (isOpenTarget(before.at) && !isOpenTarget(after.at)) tx.afterCommit(() => hub.jobs.ended(row.host_id, op.op_seq));
  else if (before.at === "queued") tx.afterCommit(() => hub.jobs.released(row.host_id, op, after.at));
  else if (after.at === "running" && before.at !== "running") tx.afterCommit(() => hub.jobs.begun(row.host_id, op.op_seq));
}

/** In their order, those that are the same and follow each other counted as one. */
function inRuns(moves: readonly Move[]): readonly (Move & { readonly count: number })[] {
  const runs: (Move & { count: number })[] = [];
  for (const { from, to, batch } of moves) {
    const last = runs.at(-1);
    if (last !== undefined && last.from === from && last.to === to && last.batch === batch) last.count += 1;
    else runs.push({ from, to, batch, count: 1 });
  }
  return runs;
}

/** Moves that are the same, counted. */
export function folded(moves: readonly Move[]): readonly (Move & { readonly count: number })[] {
  const counts = new Map<string, Move & { count: number }>();
  for (const move of moves) {
    if (move.from === move.to) continue;
    const key = `${move.from} ${move.to} ${move.batch}`;
    const known = counts.get(key);
    if (known === undefined) counts.set(key, { ...move, count: 1 });
    else known.count += 1;
  }
  return [...counts.values()];
}
