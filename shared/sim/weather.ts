/** What the seed makes of the network: storms with loss, cuts, duplicates and portals; partitions between named pairs. */
import type { Rng } from "../ports/rng.ts";
import type { Passage, Weather } from "./sim-net.ts";

/** Shares of requests, 0 … 1. */
export interface Storm {
  readonly lost: number;
  readonly refused: number;
  readonly portal: number;
  /** The server did its work, the client never hears. */
  readonly cut: number;
  readonly replyLost: number;
  readonly twice: number;
  readonly delayMsMax: number;
}

export const CALM: Storm = { lost: 0, refused: 0, portal: 0, cut: 0, replyLost: 0, twice: 0, delayMsMax: 20 };

export class SimWeather {
  readonly #rng: Rng;
  readonly #cut = new Set<string>();
  storm: Storm = CALM;
  /** What went wrong on the way so far. */
  faults = 0;

  constructor(rng: Rng) {
    this.#rng = rng;
  }

  readonly weather: Weather = (from, to) => this.#passage(from, to);

  partition(a: string, b: string): void {
    this.#cut.add(`${a} ${b}`);
    this.#cut.add(`${b} ${a}`);
  }

  heal(a: string, b: string): void {
    this.#cut.delete(`${a} ${b}`);
    this.#cut.delete(`${b} ${a}`);
  }

  healAll(): void {
    this.#cut.clear();
    this.storm = CALM;
  }

  #passage(from: string, to: string): Passage {
    const { storm } = this;
    const requestMs = 1 + this.#rng.int(storm.delayMsMax);
    const replyMs = 1 + this.#rng.int(storm.delayMsMax);
    const draw = (share: number): boolean => share > 0 && this.#rng.next() < share;
    const request = this.#cut.has(`${from} ${to}`) || draw(storm.lost) ? "lost" : draw(storm.refused) ? "refused" : draw(storm.portal) ? "portal" : "arrives";
    const reply = draw(storm.cut) ? "cut" : draw(storm.replyLost) ? "lost" : "arrives";
    const again = draw(storm.twice) ? { againMs: 1 + this.#rng.int(storm.delayMsMax * 4) } : {};
    if (request !== "arrives" || reply !== "arrives" || "againMs" in again) this.faults += 1;
    return { request, requestMs, reply, replyMs, ...again };
  }
}
