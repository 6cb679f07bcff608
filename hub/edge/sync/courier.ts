/**
 * Held syncs: requests with nothing to answer, kept until there is something or their wait is over. A held request is one function
 * in its host's entry and one place in a set; the timers are a wheel of quarter seconds that one loop turns, so holding
 * 10 000 requests arms no timer. A host holds one request: the next one from it answers the one before.
 */
import type { Clock } from "../../../shared/ports/clock.ts";
import type { Answer, HostEntry } from "./host-table.ts";

export type HeldEnd = "newer" | "waited" | "revoked" | "replaced" | "stopping";

/** Answers given in one turn of the event loop when everybody is to be woken. */
const WAKE_PER_TURN = 250;
const SLOT_MS = 250;

export class Courier {
  readonly #clock: Clock;
  readonly #reply: (entry: HostEntry, end: HeldEnd) => Response | Promise<Response>;
  readonly #wheel = new Map<number, Set<HostEntry>>();
  readonly #waking = new Set<HostEntry>();
  readonly #never = new AbortController().signal;
  #turned: number;
  #held = 0;
  #pumping = false;
  #stopping = false;

  constructor(clock: Clock, reply: (entry: HostEntry, end: HeldEnd) => Response | Promise<Response>) {
    this.#clock = clock;
    this.#reply = reply;
    this.#turned = slotOf(clock.monoMs());
  }

  get held(): number {
    return this.#held;
  }

  /** Told to end: nothing is held any more. */
  get isStopping(): boolean {
    return this.#stopping;
  }

  /** The request is asked, when it matters, whether its client is still there; to listen to each would double what a held one costs. */
  hold(entry: HostEntry, untilMonoMs: number, msgpack: boolean, request: Request): Promise<Response> {
    this.release(entry, "replaced");
    const { promise, resolve } = Promise.withResolvers<Response>();
    entry.heldRequest = request;
    const slot = Math.max(slotOf(untilMonoMs), this.#turned);
    entry.heldAnswer = resolve;
    entry.heldSlot = slot;
    entry.heldMsgpack = msgpack;
    this.#held += 1;
    const set = this.#wheel.get(slot);
    if (set === undefined) this.#wheel.set(slot, new Set([entry]));
    else set.add(entry);
    return promise;
  }

  /** Answers the request this host holds, if any, now. */
  release(entry: HostEntry, end: HeldEnd): void {
    if (!this.isHeld(entry)) return;
    const reply = this.#reply(entry, end);
    const answer = this.#end(entry);
    if (reply instanceof Response) answer(reply);
    else reply.then(answer, () => answer(new Response(null, { status: 503, headers: { "retry-after": "5" } })));
  }

  /** Is there somebody who would read an answer? One whose connection has ended is let go here. */
  isHeld(entry: HostEntry): boolean {
    if (entry.heldAnswer === undefined) return false;
    if (entry.heldRequest?.signal.aborted !== true) return true;
    this.#end(entry)(nobody());
    return false;
  }

  #end(entry: HostEntry): Answer {
    const answer = entry.heldAnswer;
    if (answer === undefined) throw new Error("Broken invariant: what ends is held");
    entry.heldAnswer = entry.heldRequest = undefined;
    this.#held -= 1;
    this.#wheel.get(entry.heldSlot)?.delete(entry);
    return answer;
  }

  /** There is something newer for this host. */
  wake(entry: HostEntry): void {
    if (entry.heldAnswer === undefined) return;
    this.#waking.add(entry);
    void this.#pump();
  }

  /** There is something newer for all: answered some at a time, so that the loop stays free for what comes back. */
  wakeAll(): void {
    for (const slot of this.#wheel.values()) for (const entry of slot) this.#waking.add(entry);
    void this.#pump();
  }

  /** Ends the waits that are over. Called by a loop, a few times a second. */
  turn(nowMonoMs: number): void {
    const upto = slotOf(nowMonoMs);
    // After a long stall the wheel is smaller than the time that passed.
    const due = upto - this.#turned > this.#wheel.size ? [...this.#wheel.keys()].filter((slot) => slot < upto) : range(this.#turned, upto);
    this.#turned = upto;
    for (const slot of due) {
      const entries = this.#wheel.get(slot);
      if (entries === undefined) continue;
      for (const entry of entries) this.release(entry, "waited");
      this.#wheel.delete(slot);
    }
  }

  /** The hub stops: everybody is told to come back, each a little later than the one before. */
  stop(): void {
    this.#stopping = true;
    for (const slot of this.#wheel.values()) for (const entry of slot) this.release(entry, "stopping");
    this.#wheel.clear();
  }

  async #pump(): Promise<void> {
    if (this.#pumping) return;
    this.#pumping = true;
    await this.#clock.sleep(0, this.#never);
    while (this.#waking.size > 0) {
      let left = WAKE_PER_TURN;
      for (const entry of this.#waking) {
        this.#waking.delete(entry);
        this.release(entry, entry.revoked ? "revoked" : "newer");
        left -= 1;
        if (left === 0) break;
      }
      if (this.#waking.size > 0) await this.#clock.sleep(0, this.#never);
    }
    this.#pumping = false;
  }
}

/** Read by nobody: it only settles what waits for it. */
const nobody = (): Response => new Response(null, { status: 503 });

/** Rounded up: never before its time. */
const slotOf = (monoMs: number): number => Math.ceil(monoMs / SLOT_MS);

function range(from: number, to: number): readonly number[] {
  return Array.from({ length: Math.max(0, to - from) }, (_, at) => from + at);
}
