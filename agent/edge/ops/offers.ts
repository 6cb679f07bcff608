/**
 * What is said to an op that is not taken. Where its signatures counted it gets a signed answer and a row, once. Where it needs none it gets
 * the answer without a row. Where they did not count nothing inside it is believed: it gets a line in the log. A bound holds both of
 * these, or a hub could fill the disk with rubbish.
 */
import { sha256Hex } from "../../../shared/core/sha256.ts";
import type { World } from "../../../shared/ports/world.ts";
import type { Refused } from "../../core/ops/admit.ts";
import type { Desk } from "../desk.ts";
import { type Carrier, type Ending, factsOf, type LedgerBook } from "./ledger-book.ts";

export type Offered =
  | { readonly is: "admitted"; readonly opId: string; readonly isNews: true }
  | { readonly is: "busy"; readonly opId: string; readonly isNews: boolean }
  /** Seen before; its answer is there or will be. */
  | { readonly is: "known"; readonly opId: string; readonly isNews: boolean }
  | { readonly is: "refused"; readonly code: string; readonly detail: string; readonly opId?: string; readonly isNews: boolean };

const REMEMBERED_MAX = 1_024;
/** Per minute: ops that nobody signed, and offers that are refused without a row. */
const UNSIGNED_PER_MINUTE = 1_200;
const NOTED_PER_MINUTE = 20;
const REPEAT_MS = 60_000;

export class Offers {
  readonly #world: World;
  readonly #desk: Desk;
  readonly #book: LedgerBook;
  /** Ids of unsigned ops, and hashes of refused offers, newest last. */
  readonly #remembered = new Set<string>();
  readonly #repeatedMs = new Map<string, number>();
  readonly #unsigned: Bucket;
  readonly #notes: Bucket;

  constructor(world: World, desk: Desk, book: LedgerBook) {
    this.#world = world;
    this.#desk = desk;
    this.#book = book;
    this.#unsigned = new Bucket(UNSIGNED_PER_MINUTE, () => world.clock.monoMs());
    this.#notes = new Bucket(NOTED_PER_MINUTE, () => world.clock.monoMs());
  }

  knows(id: string): boolean {
    return this.#remembered.has(id);
  }

  mayTakeUnsigned(): boolean {
    return this.#unsigned.take();
  }

  remember(key: string): void {
    this.#remembered.add(key);
    for (const oldest of this.#remembered) {
      if (this.#remembered.size <= REMEMBERED_MAX) break;
      this.#remembered.delete(oldest);
    }
  }

  refused(bytes: Uint8Array, { code, detail, verified }: Refused, carrier: Carrier): Offered {
    const opId = verified?.payload.id;
    // Time is judged before the ledger: what was answered long ago may meanwhile be refused for its age, and is answered all the same.
    const isKnown = verified !== undefined && verified.signers.length > 0 && this.#book.hasAnswered(verified.payload);
    if (opId !== undefined && (isKnown || code === "op_replayed")) return { is: "known", opId, isNews: this.#sayAgain(opId) };
    const offer = `${code}/${sha256Hex(bytes)}`;
    // A broadcast reaches every box: those that are not meant have nothing to say.
    const isAside = carrier === "nats" && code === "op_target_mismatch";
    const isNews = !isAside && !this.#remembered.has(offer);
    const refused: Offered = { is: "refused", code, detail, isNews, ...(opId === undefined ? {} : { opId }) };
    if (!isNews) return refused;
    this.remember(offer);
    this.#world.log.event("warn", "op.refused", { op: opId ?? null, code, detail: detail.slice(0, 300), carrier });
    const ending: Ending = { as: code === "expired" ? "expired" : "refused", fields: { code, ...(detail === "" ? {} : { detail }) } };
    if (verified !== undefined && verified.signers.length > 0) {
      this.#book.enter(factsOf(verified, carrier), "", this.#book.ledger.floorMs, ending);
    } else if (this.#notes.take()) {
      // Nobody signed it, and its kind needs no signature: whoever asked is told, or would wait until it expires.
      if (verified !== undefined && code !== "op_target_mismatch") this.#book.finish(factsOf(verified, carrier), 0, ending);
      else this.#book.note({}, carrier, code);
      this.#desk.event("op.refused", { code, carrier, detail: detail.slice(0, 300) });
    }
    return refused;
  }

  /** A hub that offers again what is over has lost the answer, or not counted it yet. */
  #sayAgain(id: string): boolean {
    const nowMs = this.#world.clock.monoMs();
    const lastMs = this.#repeatedMs.get(id);
    if (lastMs !== undefined && nowMs - lastMs < REPEAT_MS) return false;
    if (this.#repeatedMs.size >= REMEMBERED_MAX) this.#repeatedMs.clear();
    this.#repeatedMs.set(id, nowMs);
    const said = this.#book.repeat(id);
    if (said) this.#desk.answered();
    return said;
  }
}

/** So many at once, and the same again each minute. */
class Bucket {
  readonly #perMinute: number;
  readonly #nowMs: () => number;
  #left: number;
  #atMs: number;

  constructor(perMinute: number, nowMs: () => number) {
    this.#perMinute = perMinute;
    this.#nowMs = nowMs;
    this.#left = perMinute;
    this.#atMs = nowMs();
  }

  take(): boolean {
    const nowMs = this.#nowMs();
    this.#left = Math.min(this.#perMinute, this.#left + ((nowMs - this.#atMs) * this.#perMinute) / 60_000);
    this.#atMs = nowMs;
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }
}
