/**
 * The hub's jobs at work. Tables hold the truth; here is what has to be quick or alive: what each box may be given, who follows,
 * and the one turn that acts on what is due. It looks at the index of open ops and at nothing else, so its cost is that of
 * what is active. After a restart everything is read from there again.
 */
import { dueAtOf, isOver, type Job, NO_COUNTS, opStateOf } from "../../core/ops/job.ts";
import { isCollecting, turnCollecting } from "../../core/ops/op-state.ts";
import type { Metric } from "../../../shared/core/metrics.ts";
import type { TargetState } from "../../../shared/protocol/api/ops.ts";
import type { Hub } from "../hub.ts";
import { appendEvent } from "../store/events.ts";
import {
  type AnsweredOp,
  countOpenOps,
  dueOps,
  findAnsweredOp,
  finishOp,
  jobOf,
  type OpenCount,
  openOps,
  opEnvelope,
  opBySeq,
  type OpRow,
  postponeOp,
  storeJob,
} from "../store/ops.ts";
import { countBatch, countStates, openTargetsAfter } from "../store/op-targets.ts";
import type { Tx } from "../store/store.ts";
import type { HostEntry } from "../sync/host-table.ts";
import { dropOffer, findOffer, newOffer, putOffer } from "./offers.ts";
import type { ReturnFeed } from "./return-feed.ts";
import { runJob } from "./run-job.ts";

export const TURN_MS = 500;
const DUE_PER_TURN = 100;
const ROWS_PER_READ = 5_000;
/** After this many failures in a row an op is looked at no more than once in ten minutes; the others never wait for it. */
const STRIKES_MAX = 5;
const STRUCK_OUT_MS = 600_000;
const STRIKE_MS = 5_000;
const ANSWERED_KEPT = 1_000;
const COUNT_EVERY_MS = 5_000;

export class Jobs {
  readonly #hub: () => Hub;
  readonly feed: ReturnFeed;
  readonly #strikes = new Map<number, number>();
  readonly #answered = new Map<string, AnsweredOp>();
  readonly #drifted = new Set<number>();
  #given: { readonly opSeq: number; readonly envelope: string } | undefined;
  #open: readonly OpenCount[] = [];
  #countedMonoMs = Number.NEGATIVE_INFINITY;

  constructor(hub: () => Hub, feed: ReturnFeed) {
    this.#hub = hub;
    this.feed = feed;
  }

  /** Open ops by kind and state, some seconds old. */
  get open(): readonly OpenCount[] {
    return this.#open;
  }

  /** Once, before anything is served: counts are taken from the rows they count, and boxes' offers from theirs. */
  async load(): Promise<void> {
    const hub = this.#hub();
    for (let after = 0; ; ) {
      const page = await hub.store.read((db) => openOps(db, after, ROWS_PER_READ));
      for (const row of page) await this.#recount(row.op_seq);
      const last = page.at(-1);
      if (last === undefined) break;
      after = last.op_seq;
    }
    for (let host = "", seq = 0; ; ) {
      const page = await hub.store.read((db) => openTargetsAfter(db, host, seq, ROWS_PER_READ));
      for (const row of page) {
        const entry = hub.hosts.get(row.host_id);
        if (entry === undefined || row.state === "queued") continue;
        const marked = row.state !== "waiting";
        putOffer(entry, newOffer(row.op_seq, row.op_id, { marked, begun: row.state === "running", cancelled: marked && row.cancelled_by !== null }));
      }
      const last = page.at(-1);
      if (last === undefined) break;
      [host, seq] = [last.host_id, last.op_seq];
    }
    await this.#count();
  }

  /** Acts on what is due. One op that can't be turned is put aside and said; it holds up nothing. */
  async turn(): Promise<void> {
    const hub = this.#hub();
    const nowMs = hub.world.clock.wallMs();
    const due = await hub.store.read((db) => dueOps(db, nowMs, DUE_PER_TURN));
    for (const opSeq of this.#drifted) {
      await this.#recount(opSeq);
      this.#drifted.delete(opSeq);
    }
    for (const opSeq of due) await this.#turnOne(opSeq);
    if (hub.world.clock.monoMs() - this.#countedMonoMs >= COUNT_EVERY_MS) await this.#count();
  }

  async #turnOne(opSeq: number): Promise<void> {
    const hub = this.#hub();
    try {
      await hub.store.write("ops.turn", (tx) => turnDue(hub, tx, opSeq));
      this.#strikes.delete(opSeq);
    } catch (error) {
      const strikes = (this.#strikes.get(opSeq) ?? 0) + 1;
      this.#strikes.set(opSeq, strikes);
      hub.world.log.event("error", "ops.failed", { op_seq: opSeq, strikes }, error);
      // Counted anew before it is put off: what the count finds due is put off too.
      if (strikes === 1) await this.#recount(opSeq);
      await hub.store.write("ops.postpone", (tx) => postponeOp(tx.db, opSeq, hub.world.clock.wallMs() + (strikes >= STRIKES_MAX ? STRUCK_OUT_MS : STRIKE_MS)));
    }
  }

  /** Counters from the truth: whatever went wrong with one, it is right again after this. */
  async #recount(opSeq: number): Promise<void> {
    try {
      await this.#hub().store.write("ops.recount", (tx) => recount(tx, opSeq));
    } catch (error) {
      // Its row can't be read: nothing of it moves, and the others do not wait for it.
      this.#hub().world.log.event("error", "ops.failed", { op_seq: opSeq }, error);
    }
  }

  async #count(): Promise<void> {
    this.#countedMonoMs = this.#hub().world.clock.monoMs();
    this.#open = await this.#hub().store.read(countOpenOps);
  }

  metrics(): readonly Metric[] {
    const needs = (state: string): string => (state === "draft" || state === "pending" ? "signature" : "answer");
    return [
      {
        name: "felhom_ops_pending",
        help: "Ops that are not over, by kind and by what they need: a signature, or answers.",
        type: "gauge",
        samples: [...new Set(this.#open.map(({ kind }) => kind))].flatMap((kind) =>
          ["signature", "answer"].map((need) => ({
            labels: { kind, needs: need },
            value: this.#open.filter((row) => row.kind === kind && needs(row.state) === need).reduce((sum, { count }) => sum + count, 0),
          })),
        ),
      },
      { name: "felhom_hub_op_followers", help: "Clients that follow the returns of an op.", type: "gauge", samples: [{ value: this.feed.followers }] },
    ];
  }

  /** Its sync is held right now: what is released for it can be given at once. */
  isHeld(hostId: string): boolean {
    const entry = this.#entry(hostId);
    return entry !== undefined && this.#hub().courier.isHeld(entry);
  }

  isAway(hostId: string): boolean {
    return this.#entry(hostId)?.contact !== "up";
  }

  /** What is signed of an op that has its hosts, which changes no more: a thousand boxes are given the same one at the same moment, and it is read once. */
  async envelopeOf(opSeq: number): Promise<string | undefined> {
    if (this.#given?.opSeq === opSeq) return this.#given.envelope;
    const envelope = await this.#hub().store.read((db) => opEnvelope(db, opSeq));
    if (envelope !== undefined) this.#given = { opSeq, envelope };
    return envelope;
  }

  /** The op that an answer names. Open ones are remembered: a thousand answers to one op look it up once. */
  answeredOp(tx: Tx, opId: string): AnsweredOp | undefined {
    const known = this.#answered.get(opId);
    if (known !== undefined) return known;
    const op = findAnsweredOp(tx.db, opId);
    // After the commit: what is remembered is on disk.
    if (op?.is_open === 1 && this.#answered.size < ANSWERED_KEPT) tx.afterCommit(() => this.#answered.set(opId, op));
    return op;
  }

  finished(opId: string): void {
    this.#answered.delete(opId);
  }

  /** Its rows moved and its counters did not: they are taken from the rows at the next turn. */
  drifted(opSeq: number, error: unknown): void {
    this.#hub().world.log.event("error", "ops.failed", { op_seq: opSeq }, error);
    this.#drifted.add(opSeq);
  }

  // --- after commits -----------------------------------------------------------------------------------------------------------

  released(hostId: string, op: Pick<OpRow, "op_seq" | "op_id">, state: TargetState): void {
    const entry = this.#entry(hostId);
    if (entry === undefined) return;
    putOffer(entry, newOffer(op.op_seq, op.op_id, { marked: state !== "waiting", begun: state === "running", cancelled: false }));
    const { carrier, courier } = this.#hub();
    if (state === "delivered" && carrier.isAttached(hostId)) carrier.carry(entry, op.op_seq);
    else courier.wake(entry);
  }

  ended(hostId: string, opSeq: number): void {
    const entry = this.#entry(hostId);
    if (entry !== undefined) dropOffer(entry, opSeq);
  }

  begun(hostId: string, opSeq: number): void {
    const entry = this.#entry(hostId);
    const offer = entry === undefined ? undefined : findOffer(entry, opSeq);
    if (offer !== undefined) offer.begun = offer.marked = true;
  }

  askBack(hostId: string, opSeq: number): void {
    const entry = this.#entry(hostId);
    const offer = entry === undefined ? undefined : findOffer(entry, opSeq);
    if (entry === undefined || offer === undefined || offer.cancelled) return;
    offer.cancelled = true;
    offer.times = 0;
    this.#hub().courier.wake(entry);
  }

  changed(opId: string): void {
    this.feed.changed(opId);
  }

  #entry(hostId: string): HostEntry | undefined {
    return this.#hub().hosts.get(hostId);
  }
}

function turnDue(hub: Hub, tx: Tx, opSeq: number): void {
  const row = opBySeq(tx.db, opSeq);
  const nowMs = hub.world.clock.wallMs();
  if (row === undefined || row.is_open === 0 || row.due_at === null || row.due_at > nowMs) return;
  const job = jobOf(row);
  if (job !== undefined) {
    runJob({ hub, tx, row, nowMs }, job, [{ on: "time" }]);
    return;
  }
  if (!isCollecting(row.state)) return;
  const turn = turnCollecting({ at: row.state, expiresAtMs: row.expires_at }, { on: "time" }, nowMs);
  if (turn.is !== "over") return;
  finishOp(tx.db, opSeq, turn.state, nowMs);
  tx.afterCommit(() => hub.jobs.finished(row.op_id));
  appendEvent(tx.db, { at: nowMs, kind: "op.finished", data: { op_id: row.op_id, op: row.kind, state: turn.state } });
  tx.afterCommit(() => hub.jobs.changed(row.op_id));
}

function recount(tx: Tx, opSeq: number): void {
  const row = opBySeq(tx.db, opSeq);
  const job = row === undefined ? undefined : jobOf(row);
  if (row === undefined || job === undefined) return;
  const counts = { ...NO_COUNTS, ...Object.fromEntries(countStates(tx.db, opSeq).map(({ state, count }) => [state, count])) };
  const batch = countBatch(tx.db, opSeq, job.batch);
  const now: Job = { ...job, counts, batchOpen: batch.open, batchBad: batch.bad };
  if (JSON.stringify(now) === row.job) return;
  // Over by the rows: the turn that is due at once says so.
  storeJob(tx.db, opSeq, now, isOver(now) ? row.state : opStateOf(now), isOver(now) ? 0 : dueAtOf(now));
}
