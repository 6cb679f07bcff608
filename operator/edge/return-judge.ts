import type { OpReturnItem } from "../../shared/protocol/api/ops.ts";
import type { Crypto } from "../../shared/ports/crypto.ts";
import type { HostIdentity } from "../../shared/trust/host-identity.ts";
import { type AskedOp, verifyReturnAside } from "../../shared/trust/op.ts";
import type { ReturnPayload } from "../../shared/trust/payloads.ts";
import type { Verdict } from "../../shared/trust/verdict.ts";

/** What is known of an answer: whose it is, and whether that host signed it for this op. */
export interface Judged {
  readonly item: OpReturnItem;
  readonly identity: Verdict<HostIdentity>;
  readonly verdict: Verdict<ReturnPayload>;
}

interface Judging {
  readonly crypto: Pick<Crypto, "verify">;
  readonly identities: { of(hostId: string): Promise<Verdict<HostIdentity>> };
  readonly op: AskedOp;
  /** Called for one after the other, in the order in which they were heard. */
  readonly take: (judged: Judged) => void;
}

/** Answers that are being looked at, of up to a megabyte each: what comes above waits in the connection. */
export const AHEAD_MAX = 64;

/**
 * Holds each answer against the certificate of the host that it is said to be from. Many signatures are looked at at the same time,
 * beside the event loop, on as many cores as there are; answers are handed on as they came all the same.
 */
export class ReturnJudge {
  readonly #judging: Judging;
  #tail: Promise<void> = Promise.resolve();
  #ahead = 0;
  #failure: { readonly error: unknown } | undefined;

  constructor(judging: Judging) {
    this.#judging = judging;
  }

  /** Resolves when there is room for the next one. Throws what `identities` or `take` threw, for this answer or for one before. */
  async hear(item: OpReturnItem): Promise<void> {
    const { crypto, identities, op, take } = this.#judging;
    if (this.#failure !== undefined) throw this.#failure.error;
    const identity = await identities.of(item.host_id);
    const judging = identity.ok ? verifyReturnAside(item.envelope, identity.value, crypto.verify, op) : Promise.resolve(identity);
    // Told in its turn, which does not come when one before it failed.
    judging.catch(() => {});
    this.#ahead += 1;
    this.#tail = this.#after(this.#tail, async () => take({ item, identity, verdict: await judging }));
    if (this.#ahead >= AHEAD_MAX) await this.#tail;
  }

  /** Everything that was heard so far is handed on. */
  settled(): Promise<void> {
    return this.#tail;
  }

  #after(before: Promise<void>, step: () => Promise<void>): Promise<void> {
    const tail = before.then(step).finally(() => {
      this.#ahead -= 1;
    });
    // Whoever hears the next one or waits for all of them is told.
    tail.catch((error: unknown) => {
      this.#failure ??= { error };
    });
    return tail;
  }
}
