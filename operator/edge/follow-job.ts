import type { Call } from "../../shared/cli/command.ts";
import { escapeUntrusted } from "../../shared/cli/escape.ts";
import { hint, isHuman } from "../../shared/cli/present.ts";
import { Fault, isFault } from "../../shared/core/fault.ts";
import type { OpProgress, OpReturnItem } from "../../shared/protocol/api/ops.ts";
import { JobBook, type Heard, type HostBook } from "../core/jobs/job-book.ts";
import { liveText } from "../core/jobs/job-screen.ts";
import { take } from "./hub-api.ts";
import { HubConnection } from "./hub-connection.ts";
import { listReturns, listTargets } from "./hub-ops.ts";
import type { HostIdentities } from "./host-identities.ts";
import { liveLine } from "./live-line.ts";
import { rememberOpHeads } from "./op-heads.ts";
import { type Judged, ReturnJudge } from "./return-judge.ts";
import { followReturns, hasEnded } from "./return-stream.ts";
import type { Session } from "./session.ts";

/**
 * Follows a job until there is nothing left to wait for: every host has answered or was given up, or only boxes that are away are
 * left (they run it when they come back; `--wait` waits for them too), or the time that was asked for is over, or Ctrl-C.
 */
export interface Following {
  readonly opId: string;
  readonly sha256: string;
  readonly identities: HostIdentities;
  /** Hosts that are meant, by their verified names. */
  readonly expected: readonly { readonly hostId: string; readonly name: string }[];
  /** Also for boxes that are away. */
  readonly wait: boolean;
  readonly timeoutMs: number | undefined;
  readonly onHost: (host: HostBook, how: Heard) => void;
}

export interface Followed {
  readonly book: JobBook;
  readonly end: "over" | "away" | "timeout" | "interrupted";
  readonly elapsedMs: number;
}

const TICK_MS = 1_000;
/** A box that is there has its op within milliseconds: who has not after this is away. */
const AWAY_AFTER_MS = 10_000;
/** A hub that is gone for longer ends the following, not the job. */
const OUTAGE_MS_MAX = 120_000;
const REDRAW_MS = 100;
const OPEN: ReadonlySet<string> = new Set(["queued", "waiting", "delivered", "running"]);

export async function followJob(call: Call, session: Session, following: Following): Promise<Followed> {
  const follower = new Follower(call, session, following);
  return follower.run();
}

class Follower {
  readonly #call: Call;
  readonly #session: Session;
  readonly #following: Following;
  readonly #book = new JobBook();
  readonly #judge: ReturnJudge;
  readonly #ending = new AbortController();
  readonly #line;
  readonly #startedMs: number;
  #progress: OpProgress | undefined;
  #movedMs: number;
  #drawnMs = 0;
  #brokenMs: number | undefined;
  #lastSeq = 0;
  /** Hosts whose answer verified: counted, so that a thousand answers are not walked a thousand times. */
  #finals = 0;
  #end: Followed["end"] = "over";

  constructor(call: Call, session: Session, following: Following) {
    this.#call = call;
    this.#session = session;
    this.#following = following;
    const { identities, opId: id, sha256 } = following;
    this.#judge = new ReturnJudge({ crypto: call.world.crypto, identities, op: { id, sha256 }, take: (judged) => this.#heard(judged) });
    this.#line = liveLine(call.terminal, !call.globals.quiet && isHuman(call.globals));
    this.#startedMs = call.world.clock.monoMs();
    this.#movedMs = this.#startedMs;
    for (const { hostId, name } of following.expected) this.#book.expect(hostId, name);
  }

  async run(): Promise<Followed> {
    const { clock } = this.#call.world;
    const { interrupted } = this.#call.terminal;
    const stop = (): void => this.#ending.abort();
    interrupted.addEventListener("abort", stop, { once: true });
    if (interrupted.aborted) stop();
    let failure: unknown;
    const reading = this.#readAll().catch((error: unknown) => {
      failure = error;
    });
    const read = reading.finally(stop);
    try {
      while (!this.#ending.signal.aborted) {
        this.#draw(true);
        await clock.sleep(TICK_MS, this.#ending.signal);
        if (!this.#ending.signal.aborted) await this.#tick();
      }
      await read;
    } finally {
      interrupted.removeEventListener("abort", stop);
      this.#line.clear();
    }
    if (interrupted.aborted) return this.#ended("interrupted");
    if (failure !== undefined) throw failure;
    if (!this.#hasAll()) await this.#lastLook();
    this.#remember();
    return this.#ended(this.#end);
  }

  #ended(end: Followed["end"]): Followed {
    return { book: this.#book, end, elapsedMs: this.#call.world.clock.monoMs() - this.#startedMs };
  }

  /** However the stream ends: what was heard is in the book. */
  async #readAll(): Promise<void> {
    try {
      await this.#read();
    } finally {
      await this.#judge.settled();
    }
  }

  async #read(): Promise<void> {
    const hub = new HubConnection(this.#call.world, { ...this.#session.hub.target, stop: this.#ending.signal });
    const onBreak = (error: unknown): void => {
      this.#brokenMs = this.#call.world.clock.monoMs();
      this.#line.clear();
      hint(this.#call, `  The stream of answers broke${isFault(error) ? `: ${escapeUntrusted(error.message)}` : ""}. Trying to open it again…`);
    };
    const onBack = (): void => {
      this.#brokenMs = undefined;
    };
    for await (const event of followReturns(this.#call.world, hub, { opId: this.#following.opId, onBreak, onBack })) {
      this.#brokenMs = undefined;
      this.#movedMs = this.#call.world.clock.monoMs();
      if (event.on === "return") await this.#hear(event.item);
      else {
        // The hub tells how the op stands after the answers that made it so.
        await this.#judge.settled();
        this.#progress = event.progress;
      }
      this.#draw(false);
      if (this.#hasAll() || (event.on === "progress" && hasEnded(event.progress.state))) return;
    }
  }

  async #hear(item: OpReturnItem): Promise<void> {
    if (item.seq <= this.#lastSeq) return;
    this.#lastSeq = item.seq;
    await this.#judge.hear(item);
  }

  #heard({ item, identity, verdict }: Judged): void {
    const how = this.#book.heard(item.host_id, identity.ok ? identity.value.name : item.host_id, verdict);
    if (how === "final") this.#finals += 1;
    const host = how === "started" || how === "final" || how === "unverified" ? this.#book.host(item.host_id) : undefined;
    if (host === undefined) return;
    this.#line.clear();
    this.#following.onHost(host, how);
  }

  async #tick(): Promise<void> {
    const nowMs = this.#call.world.clock.monoMs();
    const { timeoutMs, wait, opId } = this.#following;
    if (timeoutMs !== undefined && nowMs - this.#startedMs >= timeoutMs) return this.#stopAs("timeout");
    if (this.#brokenMs !== undefined && nowMs - this.#brokenMs >= OUTAGE_MS_MAX)
      throw new Fault("net_unreachable", "Cannot go on following: the hub has been away for two minutes", {
        remedy: `The job goes on without it: felhom job follow ${opId}`,
      });
    const counts = this.#progress?.counts;
    if (wait || counts === undefined || nowMs - this.#movedMs < AWAY_AFTER_MS || counts.queued + counts.running > 0) return;
    this.#movedMs = nowMs; // looked at once in a while, not with each tick
    if (await this.#areAllAway()) this.#stopAs("away");
  }

  /**
   * A box that has its op comes back at once for what is next, and is seen. One that was given it and not seen since had gone when
   * the hub still held its last request.
   */
  async #areAllAway(): Promise<boolean> {
    try {
      const targets = await take(listTargets(this.#session.hub, this.#following.opId));
      const open = targets.filter(({ state }) => OPEN.has(state));
      return open.every(({ state, since, last_seen_at }) => state === "waiting" || (state === "delivered" && (last_seen_at ?? 0) <= since));
    } catch (error) {
      // The stream of answers tells when the hub is gone; this look is only a help.
      if (isFault(error, "net_unreachable") || isFault(error, "net_timeout") || isFault(error, "unavailable")) return false;
      throw error;
    }
  }

  #stopAs(end: Followed["end"]): void {
    this.#end = end;
    this.#ending.abort();
  }

  /** Every host that anybody knows of has given an answer that verifies: nothing more can come. */
  #hasAll(): boolean {
    return this.#progress !== undefined && this.#finals > 0 && this.#finals >= Math.max(this.#book.size, this.#progress.total);
  }

  /** What the stream did not bring: where hosts without an answer stand, and answers that came at the very end. */
  async #lastLook(): Promise<void> {
    const { hub } = this.#session;
    const { opId } = this.#following;
    for await (const item of listReturns(hub, opId, { since: this.#lastSeq })) await this.#hear(item);
    await this.#judge.settled();
    for (const item of await take(listTargets(hub, opId))) this.#book.told(item);
  }

  #remember(): void {
    const seen = this.#book
      .hosts()
      .flatMap(({ hostId, answer }) => (answer?.log === undefined ? [] : [{ hostId, seq: answer.log.seq, hash: answer.log.hash }]));
    rememberOpHeads(this.#call.world, this.#call.globals.home, this.#session.context.fleetId, seen);
  }

  #draw(always: boolean): void {
    const nowMs = this.#call.world.clock.monoMs();
    if (!always && nowMs - this.#drawnMs < REDRAW_MS) return;
    this.#drawnMs = nowMs;
    const total = this.#progress?.total ?? this.#following.expected.length;
    this.#line.draw(liveText(this.#book, { total, elapsedMs: nowMs - this.#startedMs, terminal: this.#call.terminal }));
  }
}
