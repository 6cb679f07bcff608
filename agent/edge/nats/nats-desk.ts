/**
 * What the link and the NATS service tell each other: whether the spec names NATS, what the hub gave for it, whether answers go that way
 * now. Nothing of it is kept on disk: credentials live an hour and are given again with the first sync.
 */
import { Signal } from "../../../shared/core/signal.ts";
import type { World } from "../../../shared/ports/world.ts";
import { usableNatsUrls } from "../../../shared/protocol/nats-urls.ts";
import type { HostSpec } from "../../../shared/protocol/spec.ts";
import type { SyncReply } from "../../../shared/protocol/sync.ts";
import type { NatsStatus } from "../../core/status/agent-status.ts";

export interface NatsGift {
  readonly urls: readonly string[];
  readonly sealed: string;
}

/** A hub that gives nothing, or what the server does not believe, is not asked more often than this. */
const ASK_AGAIN_MS = 60_000;
/** Whatever the clocks of both say: credentials are renewed within these. */
const RENEW_MS_MIN = 10_000;
const RENEW_MS_MAX = 12 * 3_600_000;
/** Renewed at half of their life, give or take, so that what was given to many at once is not asked for by all at once. */
const RENEW_AT = { from: 0.4, spread: 0.2 } as const;
/** How much of their life a renewal that brought nothing waits before the next: there are several tries before the end. */
const ASK_AGAIN_AT = 1 / 8;

export class NatsDesk {
  /** Rung when the spec or the gift is another one. */
  readonly news = new Signal();
  /** Rung when an answer lies in the outbox. */
  readonly answered = new Signal();
  /** Answers go over the bus first: the sync need not hurry with them. */
  isCarrying = false;
  status: NatsStatus | undefined;
  #wanted = false;
  #gift: NatsGift | undefined;
  #renewMonoMs = 0;
  #askAgainMs = ASK_AGAIN_MS;
  #askedMonoMs = Number.NEGATIVE_INFINITY;

  /** Where to attach, while the spec names NATS and the hub has given credentials. */
  get gift(): NatsGift | undefined {
    return this.#wanted ? this.#gift : undefined;
  }

  get isWanted(): boolean {
    return this.#wanted;
  }

  follow(spec: HostSpec | undefined): void {
    const wanted = spec?.nats !== undefined;
    if (wanted === this.#wanted) return;
    this.#wanted = wanted;
    this.#gift = undefined;
    this.#askAgainMs = ASK_AGAIN_MS;
    this.unanswered();
    this.news.ring();
  }

  /** Is the next sync to ask for credentials? Says yes once in a while only. */
  asks(nowMonoMs: number): boolean {
    const isDue = this.#wanted && (this.#gift === undefined || nowMonoMs >= this.#renewMonoMs) && nowMonoMs - this.#askedMonoMs >= this.#askAgainMs;
    if (isDue) this.#askedMonoMs = nowMonoMs;
    return isDue;
  }

  /** That request was lost: the next one asks again. The link's own pauses keep it from asking too often. */
  unanswered(): void {
    this.#askedMonoMs = Number.NEGATIVE_INFINITY;
  }

  /** Milliseconds until what is there is to be renewed; undefined while there is nothing. */
  renewInMs(nowMonoMs: number): number | undefined {
    return this.gift === undefined ? undefined : Math.max(0, Math.max(this.#renewMonoMs, this.#askedMonoMs + this.#askAgainMs) - nowMonoMs);
  }

  take(given: NonNullable<SyncReply["nats"]>, { clock, rng }: Pick<World, "clock" | "rng">): void {
    const { urls, sealed_credentials, expires_at, lifetime_ms } = given;
    const usable = usableNatsUrls(urls);
    if (!this.#wanted || usable.length === 0) return;
    this.#gift = { urls: usable, sealed: sealed_credentials };
    // A duration needs no clock that agrees with the hub's.
    const lifeMs = lifetime_ms ?? expires_at - clock.wallMs();
    const renewMs = lifeMs * (RENEW_AT.from + RENEW_AT.spread * rng.next());
    this.#renewMonoMs = clock.monoMs() + Math.min(RENEW_MS_MAX, Math.max(RENEW_MS_MIN, renewMs));
    this.#askAgainMs = Math.min(ASK_AGAIN_MS, Math.max(RENEW_MS_MIN, lifeMs * ASK_AGAIN_AT));
    this.news.ring();
  }

  /** Ended by its operator: this box has nothing to say on the bus, and will be given nothing. */
  revoked(): void {
    if (this.#gift === undefined) return;
    this.#gift = undefined;
    this.news.ring();
  }

  /** The server does not believe them: ask for others. What is there is tried on meanwhile. */
  doubt(): void {
    this.#renewMonoMs = 0;
  }
}
