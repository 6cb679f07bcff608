/**
 * Ops on this box, from the bytes that a courier brought to the one answer: admit → ledger → queue → run → answer. Loaded when the
 * first op comes, so that a box without ops stays small. Decisions are elsewhere (core/ops); what is here writes each of them down
 * before it is acted on. All carriers come in through `offer` and meet the same ledger.
 */
import { fromUtf8 } from "../../../shared/core/bytes.ts";
import { flatten, isFault } from "../../../shared/core/fault.ts";
import { checkOp, type CheckedOp, opTraits, timeoutMsOf } from "../../../shared/ops/catalogue.ts";
import type { World } from "../../../shared/ports/world.ts";
import type { OpPayload } from "../../../shared/trust/payloads.ts";
import { admit, admitAgain, type Admission, type Admitted, type Refused } from "../../core/ops/admit.ts";
import { BORN, type Life, type LifeEvent, turn } from "../../core/ops/life.ts";
import { begin, EMPTY_QUEUE, enter, isFull, leave, type Queue, startsAtOnce } from "../../core/ops/queue.ts";
import type { Desk } from "../desk.ts";
import type { WorkerClient } from "../worker/worker-client.ts";
import { execute, executors, knownAnswer, NO_GUEST_DRIVER } from "./executors.ts";
import { type Outcome, outputBytesMaxOf } from "./executor.ts";
import { type Carrier, type Ending, factsOf, LedgerBook, LedgerMoved, type OpFacts } from "./ledger-book.ts";
import { type OpRow, readOp } from "./ledger-store.ts";
import { Offers, type Offered } from "./offers.ts";
import { type BoxTrust, OpSite } from "./op-site.ts";
import { watchOrphan } from "./orphan.ts";
import { Output } from "./output.ts";
import { markOf } from "./process-mark.ts";
import { removeTree } from "../desired/remove-tree.ts";
import { paths } from "../../core/desired/paths.ts";

/** A running op may end by itself when the agent stops. Below the supervisor's bound. */
const STOP_GRACE_MS = 5_000;
/** An answer that could not be written (full disk) is tried again: it is owed. */
const ANSWER_RETRY_MS = 5_000;
/** How long a sync waits for answers that are about to be there. */
const SETTLE_MS = 20;

interface Entry {
  readonly facts: OpFacts;
  readonly exclusive: boolean;
  readonly idempotent: boolean;
  /** Of an unsigned op; the others' bytes are in their rows until their turn. */
  readonly bytes: Uint8Array | undefined;
  /** Judged in the very turn in which it starts, and its row says that it runs: nothing is left to look at again. */
  readonly ready: Ready | undefined;
  life: Life;
  /** Ends the program, or the wait for its turn. */
  readonly kill: AbortController;
  readonly over: PromiseWithResolvers<void>;
}

export interface OperationsStatus {
  readonly running: readonly { readonly id: string; readonly kind: string }[];
  readonly waiting: number;
}

export class Operations {
  readonly #world: World;
  readonly #desk: Desk;
  readonly #workers: WorkerClient;
  readonly #site: OpSite;
  readonly #book: LedgerBook;
  readonly #offers: Offers;
  readonly #executors = executors();
  readonly #entries = new Map<string, Entry>();
  #trust: BoxTrust | undefined;
  #queue: Queue = EMPTY_QUEUE;
  #lane: Promise<unknown> = Promise.resolve();
  #stopping = false;
  readonly #stop = new AbortController();
  /** A disk that can't be trusted, or a broken promise: the service ends with it. */
  readonly broken = Promise.withResolvers<never>();

  constructor(world: World, desk: Desk, workers: WorkerClient) {
    this.#world = world;
    this.#desk = desk;
    this.#workers = workers;
    this.#site = new OpSite(world, desk);
    this.#book = new LedgerBook(world, desk, () => this.#signer());
    this.#offers = new Offers(world, desk, this.#book);
    this.broken.promise.catch(() => undefined);
  }

  /** Looks at the ledger, and takes up what a crash left. */
  async open(): Promise<void> {
    this.#trust = await this.#site.trust();
    const rows = this.#book.open();
    const held = new Set(rows.map(({ id }) => id));
    this.#sweepScratch(held);
    if (this.#trust === undefined) return;
    for (const row of rows) this.#find(row);
    this.#drive();
  }

  /** One envelope from any carrier. Serialised: two offers of one op meet one after the other. */
  offer(bytes: Uint8Array, carrier: Carrier): Promise<Offered> {
    const mine = this.#lane.then(() => this.#offer(bytes, carrier));
    this.#lane = mine.catch(() => undefined);
    return mine;
  }

  /** What a sync brought. Says how many were news. */
  async offerAll(envelopes: readonly Uint8Array[], carrier: Carrier): Promise<number> {
    let news = 0;
    for (const bytes of envelopes) if ((await this.offer(bytes, carrier)).isNews) news += 1;
    if (news > 0) await this.#soon();
    return news;
  }

  cancel(ids: readonly string[]): void {
    for (const id of ids) {
      const entry = this.#entries.get(id);
      if (entry !== undefined) this.#turn(entry, { on: "cancel" }, { as: "cancelled", fields: {} });
    }
  }

  /** The hub's memory of this host's ledger. */
  heard(generation: number): void {
    if (this.#book.heard(generation)) this.#book.open();
  }

  status(): OperationsStatus {
    const running = [...this.#entries.values()].filter(({ life }) => life.at === "running").map(({ facts }) => ({ id: facts.id, kind: facts.kind }));
    return { running, waiting: this.#entries.size - running.length };
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#lane;
    const running = [...this.#entries.values()].filter(({ life }) => life.at === "running");
    const ended = Promise.all(running.map(({ over }) => over.promise));
    const timer = new AbortController();
    await Promise.race([ended, this.#world.clock.sleep(running.length === 0 ? 0 : STOP_GRACE_MS, timer.signal)]);
    for (const entry of running) this.#turn(entry, { on: "stop" }, undefined);
    await Promise.race([ended, this.#world.clock.sleep(running.length === 0 ? 0 : 2_000, timer.signal)]);
    timer.abort();
    this.#stop.abort();
  }

  // --- coming in -----------------------------------------------------------------------------------------------------------------

  async #offer(bytes: Uint8Array, carrier: Carrier): Promise<Offered> {
    this.#trust = await this.#site.trust();
    const trust = this.#trust;
    if (trust === undefined || this.#stopping) return { is: "refused", code: "unavailable", detail: "this box is not enrolled, or is stopping", isNews: false };
    for (let attempt = 0; ; attempt += 1) {
      try {
        const admission = await this.#admission(bytes, trust);
        if (admission.is !== "admitted") return this.#offers.refused(bytes, admission, carrier);
        return this.#take(bytes, admission, carrier);
      } catch (error) {
        // The database was moved aside under us: look at what is there now, and judge by that.
        if (!(error instanceof LedgerMoved) || attempt > 0) throw error;
        this.#book.open();
      }
    }
  }

  async #admission(bytes: Uint8Array, trust: BoxTrust): Promise<Exclude<Admission, { readonly is: "undecided" }>> {
    for (const forExpression of [false, true]) {
      const site = await this.#site.gather(trust, forExpression);
      const { ledger } = this.#book;
      const admission = admit(bytes, {
        ...site,
        floorMs: Math.max(site.floorMs, ledger.floorMs),
        ledgerFromMs: ledger.fromMs,
        ledger: this.#book.state(),
        seen: (id, nonce) => this.#book.seen(id, nonce) || this.#offers.knows(id),
        obstacle: (op) => this.#obstacle(op),
      });
      if (admission.is !== "undecided") return admission;
    }
    return { is: "refused", code: "op_target_mismatch", detail: "its expression can't be decided here" } satisfies Refused;
  }

  #take(bytes: Uint8Array, admission: Admitted, carrier: Carrier): Offered {
    const facts = factsOf(admission.verified, carrier);
    const full = isFull(this.#queue, admission.exclusive);
    if (full || (facts.isUnsigned && !this.#offers.mayTakeUnsigned())) {
      const busy: Ending = { as: "busy", fields: { code: "busy", detail: "too much is waiting on this host" } };
      if (!facts.isUnsigned) this.#book.enter(facts, "", admission.floorMs, busy);
      else if (full) this.#book.finish(facts, 0, busy);
      return { is: "busy", opId: facts.id, isNews: full };
    }
    // What may be done twice loses nothing when its start is in the same commit as its row; after a crash it is taken up again.
    const startsNow = !facts.isUnsigned && !admission.exclusive && admission.idempotent && startsAtOnce(this.#queue, false);
    const known = startsNow ? knownAnswer(admission.op, this.#world, this.#desk) : undefined;
    if (known !== undefined) return this.#answerAtOnce(facts, admission, known);
    if (facts.isUnsigned) this.#offers.remember(facts.id);
    else this.#book.enter(facts, fromUtf8(bytes), admission.floorMs, startsNow ? "starts" : "waits");
    this.#world.log.event("info", "op.admitted", { op: facts.id, kind: facts.kind, carrier });
    if (startsNow) this.#enqueue(facts, turn(BORN, { on: "turn", refusal: undefined }).life, { ready: readyOf(admission) });
    else this.#enqueue(facts, BORN, facts.isUnsigned ? { bytes } : {});
    this.#drive();
    return { is: "admitted", opId: facts.id, isNews: true };
  }

  /** The answer is all that such an op does, and nothing of it leaves before the commit that holds its row, its log entry and the answer. */
  #answerAtOnce(facts: OpFacts, { floorMs }: Admitted, { as, fields }: Outcome): Offered {
    this.#world.log.event("info", "op.admitted", { op: facts.id, kind: facts.kind, carrier: facts.carrier });
    this.#book.enter(facts, "", floorMs, { as, fields });
    this.#world.log.event("info", "op.finished", { op: facts.id, kind: facts.kind, as });
    return { is: "admitted", opId: facts.id, isNews: true };
  }

  #obstacle(op: CheckedOp): string | undefined {
    if (op.kind.startsWith("guest.")) return NO_GUEST_DRIVER;
    if (this.#desk.link.is === "revoked") return "this host was revoked at its hub: operations have ended here";
    const { dataDir, diskReserveBytes } = this.#desk.settings;
    const free = this.#world.files.freeBytes("op.free", dataDir);
    // Half of what bundles leave free is for answers and the ledger itself.
    return free < diskReserveBytes / 2 ? `${free} bytes are free in ${dataDir}` : undefined;
  }

  // --- after a restart -----------------------------------------------------------------------------------------------------------

  #find(row: OpRow): void {
    const traits = opTraits(row.kind);
    const life: Life = row.state === "running" ? { at: "running", resumes: row.resumes, halt: undefined } : { at: "admitted", resumes: row.resumes };
    const hasExpired = this.#world.clock.wallMs() >= row.expires_ms;
    const facts: OpFacts = {
      id: row.id,
      nonce: row.nonce,
      sha256: row.sha256,
      kind: row.kind,
      signers: signersOf(row.signers),
      carrier: row.carrier === "file" || row.carrier === "nats" ? row.carrier : "sync",
      expiresMs: row.expires_ms,
      isUnsigned: false,
    };
    const next = turn(life, { on: "found", idempotent: traits?.idempotent === true, hasExpired });
    this.#world.log.event("warn", "op.found", { op: row.id, kind: row.kind, was: row.state, now: next.life.at });
    if (next.life.at === "over") {
      const orphan = watchOrphan(this.#world, this.#desk, row, traits?.exclusive !== false, this.#stop.signal);
      const fields = { code: next.life.code ?? "agent_ended", ...(orphan ? { data: { still_running: true } } : {}) };
      this.#book.finish(facts, 0, { as: next.life.as, fields });
      return;
    }
    if (row.state === "running" && next.life.at === "admitted") this.#book.change(row.id, "admitted", next.life.resumes);
    this.#enqueue(facts, next.life, {});
  }

  #sweepScratch(held: ReadonlySet<string>): void {
    const { files } = this.#world;
    const { opScratch } = paths(this.#desk.settings.dataDir);
    if (files.stat("op.scratch", opScratch) === undefined) return;
    for (const name of files.list("op.scratch", opScratch)) if (!held.has(name)) removeTree(files, "op.scratch", `${opScratch}/${name}`);
  }

  // --- its turn ------------------------------------------------------------------------------------------------------------------

  #enqueue(facts: OpFacts, life: Life, { bytes, ready }: { readonly bytes?: Uint8Array; readonly ready?: Ready }): void {
    const traits = opTraits(facts.kind);
    const entry: Entry = {
      facts,
      exclusive: traits?.exclusive ?? true,
      idempotent: traits?.idempotent ?? false,
      bytes,
      ready,
      life,
      kill: new AbortController(),
      over: Promise.withResolvers(),
    };
    this.#entries.set(facts.id, entry);
    this.#queue = enter(this.#queue, facts.id, entry.exclusive);
  }

  #drive(): void {
    if (this.#stopping) return;
    const { queue, start } = begin(this.#queue);
    this.#queue = queue;
    for (const id of start) {
      const entry = this.#entries.get(id);
      if (entry !== undefined) void this.#run(entry).catch((error: unknown) => this.broken.reject(error));
    }
  }

  async #run(entry: Entry): Promise<void> {
    const release = entry.exclusive ? await this.#desk.turnstile.acquire(AbortSignal.any([entry.kill.signal, this.#stop.signal])) : () => undefined;
    let afterwards: (() => Promise<void>) | undefined;
    try {
      if (release === undefined || entry.life.at === "over" || this.#stopping) return;
      const ready = entry.ready ?? (await this.#recheck(entry));
      if (entry.ready === undefined) await this.#owed(() => this.#begin(entry, ready.is === "refused" ? ready.code : undefined));
      if (ready.is === "refused" || entry.life.at !== "running") return;
      afterwards = (await this.#perform(entry, ready)).afterwards;
    } finally {
      release?.();
      // What waits for the next start of the agent keeps its place in the ledger alone.
      if (entry.life.at === "over" || this.#stopping) this.#left(entry);
    }
    await afterwards?.();
  }

  /** The record of the start, before the start. A ledger that moved away under it means that nothing is started. */
  #begin(entry: Entry, refusal: string | undefined): void {
    try {
      this.#turn(entry, { on: "turn", refusal }, undefined);
    } catch (error) {
      if (!(error instanceof LedgerMoved)) throw error;
      this.#book.open();
      this.#turn(entry, { on: "turn", refusal: "op_ledger_unsafe" }, undefined);
    }
  }

  #left(entry: Entry): void {
    this.#queue = leave(this.#queue, entry.facts.id);
    if (this.#entries.get(entry.facts.id) === entry) this.#entries.delete(entry.facts.id);
    entry.over.resolve();
    this.#drive();
  }

  /** Time has passed since it was admitted: it may have expired, its signer may be gone, the policy may be another. */
  async #recheck(entry: Entry): Promise<Ready | Refused> {
    try {
      return await this.#lookAgain(entry);
    } catch (error) {
      if (!isFault(error) || error.code === "disk_failed") throw error;
      return { is: "refused", code: "op_precondition", detail: flatten(error) };
    }
  }

  async #lookAgain(entry: Entry): Promise<Ready | Refused> {
    const text = entry.bytes ?? this.#envelopeOf(entry.facts.id);
    const trust = await this.#site.trust();
    if (text === undefined || trust === undefined) return { is: "refused", code: "op_ledger_unsafe", detail: "its row is gone" };
    this.#trust = trust;
    const site = await this.#site.gather(trust, false);
    const again = admitAgain(text, { ...site, floorMs: Math.max(site.floorMs, this.#book.ledger.floorMs) });
    if (!again.ok) return { is: "refused", code: again.refusal, detail: again.detail };
    const op = checkOp(again.value.payload.kind, again.value.payload.params);
    return op.ok ? { is: "ready", payload: again.value.payload, op: op.value } : { is: "refused", code: op.refusal, detail: op.detail };
  }

  #envelopeOf(id: string): Uint8Array | undefined {
    const envelope = this.#desk.store.use((database) => readOp(database, id))?.envelope ?? undefined;
    return envelope === undefined ? undefined : new TextEncoder().encode(envelope);
  }

  async #perform(entry: Entry, { payload, op }: Ready): Promise<Outcome> {
    const { facts } = entry;
    const limitMs = timeoutMsOf(op);
    const over = new AbortController();
    const output = new Output(this.#world, outputBytesMaxOf(op), (fields) => this.#book.part(facts, output.parts, fields));
    void this.#world.clock.sleep(limitMs, over.signal).then(() => {
      if (!over.signal.aborted) this.#turn(entry, { on: "time-out" }, undefined);
    });
    let outcome: Outcome;
    output.begin();
    try {
      outcome = await execute(this.#executors, op, {
        world: this.#world,
        desk: this.#desk,
        workers: this.#workers,
        book: this.#book,
        site: this.#site,
        payload,
        limitMs,
        stop: entry.kill.signal,
        say: (from, bytes) => output.say(from, bytes),
        processIs: (pid) => {
          const mark = markOf(this.#world, pid, this.#desk.bootId);
          if (mark !== undefined && !facts.isUnsigned) this.#book.process(facts.id, mark);
        },
      });
    } catch (error) {
      if (!isFault(error) || error.code === "disk_failed") throw error;
      this.#world.log.event("warn", "op.failed", { op: facts.id, kind: facts.kind }, error);
      outcome = { as: "failed", wasKilled: entry.kill.signal.aborted, fields: { code: error.code, detail: flatten(error) } };
    } finally {
      over.abort();
    }
    const fields = { ...outcome.fields, ...output.end() };
    const event: LifeEvent = { on: "ended", as: outcome.as, code: outcome.fields.code, wasKilled: outcome.wasKilled === true };
    await this.#owed(() => this.#turn(entry, event, undefined, fields, output.parts));
    return outcome;
  }

  /** One turn of this op's life: the new state is on disk before its effects. */
  #turn(entry: Entry, event: LifeEvent, ending: Ending | undefined, fields: Ending["fields"] = {}, parts = 0): void {
    const { life, effects } = turn(entry.life, event);
    for (const { run } of effects) {
      switch (run) {
        case "start":
          if (!entry.facts.isUnsigned) this.#book.change(entry.facts.id, "running", life.at === "running" ? life.resumes : 0);
          if (!entry.idempotent) this.#book.mark();
          break;
        case "answer":
          if (life.at === "over")
            this.#answer(entry, ending ?? { as: life.as, fields: { ...fields, ...(life.code === undefined ? {} : { code: life.code }) } }, parts);
          break;
        case "kill":
        case "queue":
          break;
      }
    }
    entry.life = life;
    if (effects.some(({ run }) => run === "kill")) entry.kill.abort();
    if (life.at === "over" && event.on === "cancel") {
      // It waited: nothing runs that would take it out of the queue.
      entry.kill.abort();
      this.#left(entry);
    }
  }

  #answer(entry: Entry, ending: Ending, parts: number): void {
    this.#book.finish(entry.facts, parts, ending);
    this.#world.log.event("info", "op.finished", { op: entry.facts.id, kind: entry.facts.kind, as: ending.as, code: ending.fields.code });
  }

  /** A full disk delays the answer and nothing else: the row says `running` until it is written. */
  async #owed(write: () => void): Promise<void> {
    for (;;) {
      try {
        write();
        return;
      } catch (error) {
        if (!isFault(error) || error.code === "disk_failed" || this.#stopping) throw error;
        this.#world.log.event("error", "op.failed", {}, error);
        await this.#world.clock.sleep(ANSWER_RETRY_MS, this.#stop.signal);
      }
    }
  }

  async #soon(): Promise<void> {
    const timer = new AbortController();
    const all = Promise.all([...this.#entries.values()].map(({ over }) => over.promise));
    await Promise.race([all, this.#world.clock.sleep(SETTLE_MS, timer.signal)]);
    timer.abort();
  }

  #signer(): {
    readonly fleetId: BoxTrust["identity"]["fleetId"];
    readonly hostId: BoxTrust["identity"]["hostId"];
    readonly key: BoxTrust["keys"]["signingKey"];
  } {
    if (this.#trust === undefined) throw new Error("Broken invariant: ops are taken by enrolled boxes only");
    return { fleetId: this.#trust.identity.fleetId, hostId: this.#trust.identity.hostId, key: this.#trust.keys.signingKey };
  }
}

interface Ready {
  readonly is: "ready";
  readonly payload: OpPayload;
  readonly op: CheckedOp;
}

const readyOf = ({ verified, op }: Admitted): Ready => ({ is: "ready", payload: verified.payload, op });

function signersOf(text: string): OpFacts["signers"] {
  const value: unknown = JSON.parse(text);
  return Array.isArray(value) ? (value as OpFacts["signers"]) : [];
}
