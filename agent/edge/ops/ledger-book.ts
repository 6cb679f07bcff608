/**
 * The ledger as the ops of this process see it: every step of an op is one transaction that holds its row, its entry in the log and
 * its answer in the outbox, so that after a crash at any instant the three agree. Before each write it looks whether this is still
 * the ledger that it opened: a database that was moved aside in between must not pass for an empty record.
 */
import { base32 } from "../../../shared/core/bytes.ts";
import type { KeyId } from "../../../shared/core/ids.ts";
import { opLogLine, type OpLogHead } from "../../../shared/ops/op-log.ts";
import type { Database } from "../../../shared/ports/databases.ts";
import type { World } from "../../../shared/ports/world.ts";
import { sha256Hex } from "../../../shared/protocol/fields.ts";
import type { VerifiedOp } from "../../../shared/trust/op.ts";
import type { LedgerState } from "../../core/ops/admit.ts";
import { examine, type LedgerSeen, resumeGeneration, stateOf, stricter } from "../../core/ops/ledger-standing.ts";
import { isEnvelope, parseJson } from "../../../shared/protocol/plain-json.ts";
import type { Final, OpStateName } from "../../core/ops/life.ts";
import type { Desk } from "../desk.ts";
import { enqueueWithin, spendNumbers } from "../store/outbox-store.ts";
import { type LedgerMarker, readMarker, writeMarker } from "./ledger-marker.ts";
import {
  activeRows,
  answerOf,
  appendLog,
  changeOp,
  hasSeen,
  insertOp,
  inspect,
  keepAnswer,
  type Ledger,
  logHead,
  markProcess,
  mayBeLogged,
  NO_LEDGER,
  type OpRow,
  type ProcessMark,
  readLedger,
  readOp,
  repair,
  takePart,
  writeLedger,
} from "./ledger-store.ts";
import { type AnswerFields, type Signer, signAnswer } from "./signer.ts";

export type Carrier = "sync" | "file" | "nats";

/** What the log and the answers say of an op. */
export interface OpFacts {
  readonly id: string;
  readonly nonce: string;
  readonly sha256: string;
  readonly kind: string;
  readonly signers: readonly KeyId[];
  readonly carrier: Carrier;
  readonly expiresMs: number;
  /** Nobody signed it: it has no row, and its parts are counted here. */
  readonly isUnsigned: boolean;
}

export function factsOf({ payload, sha256, signers }: VerifiedOp, carrier: Carrier): OpFacts {
  return {
    id: payload.id,
    nonce: payload.nonce,
    sha256,
    kind: payload.kind,
    signers,
    carrier,
    expiresMs: payload.expires_at,
    isUnsigned: signers.length === 0,
  };
}

export interface Ending {
  readonly as: Final;
  readonly fields: AnswerFields;
}

/** The ledger is not the one that was opened. Nothing was written. */
export class LedgerMoved extends Error {}

export class LedgerBook {
  readonly #world: World;
  readonly #desk: Desk;
  readonly #signer: () => Signer;
  #ledger: Ledger = NO_LEDGER;
  /** Where the log stood when a lost database is begun anew. */
  #logBase: OpLogHead | undefined;
  #hubGeneration = 0;

  constructor(world: World, desk: Desk, signer: () => Signer) {
    this.#world = world;
    this.#desk = desk;
    this.#signer = signer;
  }

  get ledger(): Ledger {
    return this.#ledger;
  }

  state(): LedgerState {
    return stateOf(this.#ledger.incident);
  }

  /** Examines every witness and writes down what it finds. Gives what is not over. */
  open(): readonly OpRow[] {
    const marker = readMarker(this.#world, this.#desk.settings.dataDir);
    const { store } = this.#desk;
    const { ledger, bad } = store.use(inspect);
    const marked = marker === "damaged" || marker === undefined ? undefined : marker;
    if (marked !== undefined) this.#logBase = marked.log;
    const isDamaged = ledger === "damaged" || bad.length > 0;
    const known = ledger === "damaged" ? { ...NO_LEDGER, floorMs: marked?.floorMs ?? 0, fromMs: marked?.fromMs ?? 0 } : ledger;
    const seen: LedgerSeen = { generation: known.generation, isDamaged, incident: known.incident ?? marked?.incident };
    this.#ledger = { ...known, incident: seen.incident };
    const witnesses = { marker, hubGeneration: this.#hubGeneration };
    const finding = examine(seen, witnesses);
    if (finding.is !== "sound") {
      const incident = {
        is: seen.incident === undefined ? finding.is : stricter(seen.incident.is, finding.is),
        id: seen.incident?.id ?? this.#newIncident(finding.is),
      };
      const next = {
        generation: resumeGeneration(seen, witnesses),
        floorMs: Math.max(known.floorMs, marked?.floorMs ?? 0),
        fromMs: Math.max(known.fromMs, marked?.fromMs ?? 0),
        incident,
      };
      store.use((database) =>
        database.transaction("ledger.incident", () => {
          const rows = isDamaged ? repair(database, bad) : known.rows;
          this.#ledger = { ...next, rows };
          writeLedger(database, this.#ledger);
        }),
      );
      this.mark();
      this.#world.log.event("error", "ledger.unsafe", { is: incident.is, incident: incident.id, because: finding.because });
      this.#desk.event("ledger.unsafe", { is: incident.is, incident: incident.id, because: finding.because });
    }
    return store.use(activeRows);
  }

  /** The highest generation that the hub has seen of this host. Says whether that is news: then `open` looks again. */
  heard(generation: number): boolean {
    if (generation <= Math.max(this.#hubGeneration, this.#ledger.generation)) return false;
    this.#hubGeneration = generation;
    return true;
  }

  seen(id: string, nonce: string): boolean {
    return this.#desk.store.use((database) => hasSeen(database, id, nonce));
  }

  /** Whether this box may have given it its one answer: its row says so, or it is of a time whose rows are pruned and the log does not deny it. */
  hasAnswered({ id, nonce, expires_at }: { readonly id: string; readonly nonce: string; readonly expires_at: number }): boolean {
    return this.#desk.store.use((database) => hasSeen(database, id, nonce) || (expires_at <= this.#ledger.floorMs && mayBeLogged(database, id)));
  }

  /**
   * One row, durable, before anything runs. `starts`: its start is recorded with it, one commit less on its way. With an ending it is
   * over at once: busy, refused. Throws `LedgerMoved`.
   */
  enter(op: OpFacts, envelope: string, floorMs: number, then: Ending | "waits" | "starts" = "waits"): void {
    const nowMs = this.#world.clock.wallMs();
    const ending = typeof then === "string" ? undefined : then;
    this.#within("ledger.admit", (database) => {
      const row = {
        id: op.id,
        nonce: op.nonce,
        kind: op.kind,
        sha256: op.sha256,
        envelope: ending === undefined ? envelope : null,
        carrier: op.carrier,
        signers: JSON.stringify(op.signers),
        state: ending?.as ?? (then === "starts" ? "running" : "admitted"),
        admitted_ms: nowMs,
        started_ms: then === "starts" ? nowMs : null,
        expires_ms: op.expiresMs,
      } as const;
      const next = insertOp(database, this.#ledger, row, floorMs);
      writeLedger(database, next);
      if (ending !== undefined) this.#answer(database, op, 0, ending, nowMs);
      return next;
    });
    if (ending !== undefined) this.#desk.answered();
  }

  change(id: string, state: OpStateName, resumes: number): void {
    const nowMs = this.#world.clock.wallMs();
    this.#within("ledger.change", (database) => {
      if (!changeOp(database, id, { state, resumes, nowMs })) throw new LedgerMoved();
      return this.#ledger;
    });
  }

  process(id: string, mark: ProcessMark): void {
    this.#desk.store.use((database) => markProcess(database, id, mark));
  }

  /** A part of the output, durable in the outbox. */
  part(op: OpFacts, unsignedPart: number, fields: AnswerFields): void {
    const nowMs = this.#world.clock.wallMs();
    const limit = { bytesMax: this.#desk.settings.outboxBytesMax, nowMs };
    this.#desk.store.use((database) =>
      database.transaction("ledger.part", () => {
        const part = op.isUnsigned ? unsignedPart : takePart(database, op.id);
        const body = signAnswer(this.#signer(), { opId: op.id, opSha256: op.sha256, part, state: "running", atMs: nowMs, fields });
        enqueueWithin(database, { kind: "return", body }, limit);
      }),
    );
    this.#desk.answered();
  }

  /** The one final answer: row, log and outbox together. Also when the database was lost meanwhile: what was done is told. */
  finish(op: OpFacts, unsignedPart: number, ending: Ending): void {
    const nowMs = this.#world.clock.wallMs();
    this.#desk.store.use((database) =>
      database.transaction("ledger.finish", () => {
        const part = op.isUnsigned ? unsignedPart : takePart(database, op.id);
        if (!op.isUnsigned) changeOp(database, op.id, { state: ending.as, resumes: readOp(database, op.id)?.resumes ?? 0, nowMs, code: ending.fields.code });
        this.#answer(database, op, part, ending, nowMs);
      }),
    );
    this.#desk.answered();
  }

  /** A refusal that takes no row: its signatures did not count, or nobody signed it. */
  note(op: Partial<OpFacts>, carrier: Carrier, code: string): void {
    this.#desk.store.use((database) => database.transaction("oplog.note", () => void this.#log(database, op, carrier, { as: "refused", fields: { code } })));
  }

  /** Says the final answer again, when a hub that lost it offers the op once more. */
  repeat(id: string): boolean {
    const nowMs = this.#world.clock.wallMs();
    const limit = { bytesMax: this.#desk.settings.outboxBytesMax, nowMs };
    return this.#desk.store.use((database) =>
      database.transaction("ledger.repeat", () => {
        const answer = answerOf(database, id);
        const body = answer === undefined ? undefined : parseJson(answer);
        if (answer === undefined || !isEnvelope(body)) return false;
        const waits = database.get("ledger.repeat", "SELECT 1 AS waits FROM outbox WHERE kind = 'return' AND body = ? LIMIT 1", answer);
        if (waits === undefined) enqueueWithin(database, { kind: "return", body }, limit);
        return waits === undefined;
      }),
    );
  }

  /** Ends the incident: what the ledger no longer knows lies before `fromMs`, and that is refused from now on. */
  recover(fromMs: number): void {
    this.#within("ledger.recover", (database) => {
      const next = { ...this.#ledger, fromMs: Math.max(this.#ledger.fromMs, fromMs), incident: undefined };
      writeLedger(database, next);
      return next;
    });
    this.mark();
  }

  /** The witness beside the database, durable. */
  mark(): void {
    const { generation, floorMs, fromMs, incident } = this.#ledger;
    const marker: LedgerMarker = { generation, floorMs, fromMs, incident, log: this.#desk.store.use((database) => this.#head(database)) };
    writeMarker(this.#world, this.#desk.settings.dataDir, marker);
  }

  // --- inside a transaction ------------------------------------------------------------------------------------------------------

  #within(op: string, body: (database: Database) => Ledger): void {
    this.#ledger = this.#desk.store.use((database) =>
      database.transaction(op, () => {
        const held = readLedger(database);
        if (held === "damaged" || held.generation !== this.#ledger.generation) throw new LedgerMoved();
        return body(database);
      }),
    );
  }

  #answer(database: Database, op: OpFacts, part: number, ending: Ending, nowMs: number): void {
    const limit = { bytesMax: this.#desk.settings.outboxBytesMax, nowMs };
    const log = this.#log(database, op, op.carrier, ending);
    const body = signAnswer(this.#signer(), { opId: op.id, opSha256: op.sha256, part, state: ending.as, atMs: nowMs, fields: ending.fields, log });
    if (!op.isUnsigned) keepAnswer(database, op.id, JSON.stringify(body));
    enqueueWithin(database, { kind: "return", body }, limit);
    if (this.#desk.isCounted) spendNumbers(database);
  }

  #log(database: Database, op: Partial<OpFacts>, carrier: Carrier, { as, fields }: Ending): OpLogHead {
    const nowMs = this.#world.clock.wallMs();
    const { text, head } = opLogLine(this.#head(database), {
      at: nowMs,
      op: op.id ?? null,
      sha256: op.sha256 === undefined ? null : sha256Hex.parse(op.sha256),
      kind: op.kind ?? null,
      signers: [...(op.signers ?? [])],
      carrier,
      outcome: as,
      code: fields.code?.slice(0, 64) ?? null,
      exit: fields.exit ?? null,
    });
    appendLog(database, text, head);
    enqueueWithin(database, { kind: "op-log", body: { entries: [text] } }, { bytesMax: this.#desk.settings.outboxBytesMax, nowMs });
    return head;
  }

  #head(database: Database): OpLogHead {
    const head = logHead(database);
    return head.seq === 0 && this.#logBase !== undefined ? this.#logBase : head;
  }

  #newIncident(is: "damaged" | "behind"): string {
    return `${is === "behind" ? "old" : "lost"}-${base32(this.#world.crypto.randomBytes(5))}`;
  }
}
