/**
 * What the link and the NATS service tell each other: whether the spec names NATS, what the hub gave for it, whether answers go that way
 * now. Nothing of it is kept on disk: credentials live a day and are given again with the first sync.
 */
import { Signal } from "../../../shared/core/signal.ts";
import { usableNatsUrls } from "../../../shared/protocol/nats-urls.ts";
import type { HostSpec } from "../../../shared/protocol/spec.ts";
import type { SyncReply } from "../../../shared/protocol/sync.ts";
import type { NatsStatus } from "../../core/status/agent-status.ts";

export interface NatsGift {
  readonly urls: readonly string[];
  readonly sealed: string;
}

/** A hub that gives nothing is not asked more often than this. */
const ASK_AGAIN_MS = 60_000;
/** Whatever the clocks of both say: credentials are renewed within these. */
const RENEW_MS_MIN = 60_000;
const RENEW_MS_MAX = 12 * 3_600_000;

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
    this.#askedMonoMs = Number.NEGATIVE_INFINITY;
    this.news.ring();
  }

  /** Is the next sync to ask for credentials? Says yes once in a while only. */
  asks(nowMonoMs: number): boolean {
    const isDue = this.#wanted && (this.#gift === undefined || nowMonoMs >= this.#renewMonoMs) && nowMonoMs - this.#askedMonoMs >= ASK_AGAIN_MS;
    if (isDue) this.#askedMonoMs = nowMonoMs;
    return isDue;
  }

  take({ urls, sealed_credentials, expires_at }: NonNullable<SyncReply["nats"]>, nowMonoMs: number, nowWallMs: number): void {
    const usable = usableNatsUrls(urls);
    if (!this.#wanted || usable.length === 0) return;
    this.#gift = { urls: usable, sealed: sealed_credentials };
    this.#renewMonoMs = nowMonoMs + Math.min(RENEW_MS_MAX, Math.max(RENEW_MS_MIN, (expires_at - nowWallMs) / 2));
    this.news.ring();
  }

  /** The server does not believe them: ask for others. What is there is tried on meanwhile. */
  doubt(): void {
    this.#renewMonoMs = 0;
  }
}
