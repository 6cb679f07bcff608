import type { HostBook } from "./job-book.ts";

/**
 * Whom a retry is for: hosts that did not run the op, and can't run it any more. A box that may still have it is never asked a second time
 * unless doing it twice is doing it once: at most once is a promise of each op, and a retry is another op.
 */
export interface RetryRules {
  readonly idempotent: boolean;
  /** Also hosts that ran it and failed. */
  readonly failedToo: boolean;
}

export interface RetryChoice {
  readonly again: readonly HostBook[];
  /** May have run it, or may still. */
  readonly unsure: readonly HostBook[];
}

export function retryHosts(hosts: readonly HostBook[], { idempotent, failedToo }: RetryRules): RetryChoice {
  const again: HostBook[] = [];
  const unsure: HostBook[] = [];
  for (const host of hosts) {
    switch (host.outcome) {
      case "ok":
        break;
      // Signed by the host itself, or never handed to it: it did not run.
      case "refused":
      case "busy":
      case "expired":
        again.push(host);
        break;
      case "cancelled":
        (host.answer === undefined || idempotent ? again : failedToo ? again : unsure).push(host);
        break;
      case "failed":
      case "interrupted":
        if (failedToo) again.push(host);
        break;
      case "silent":
        (idempotent || failedToo ? again : unsure).push(host);
        break;
      case "waiting":
      case "running":
        unsure.push(host);
        break;
      case "unverified":
        (idempotent ? again : unsure).push(host);
        break;
    }
  }
  return { again, unsure };
}
