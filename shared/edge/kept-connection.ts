/**
 * One connection to one pinned server that is used again while it is fresh. Bun's pool has no say over age, and a reused socket whose
 * peer went silent hangs until our own time limit (measured): so a connection is taken again only within two seconds of its last
 * answer, when a new one could have died as well. What is older is never found again: the pool's key is the TLS configuration, and each
 * line of requests has its own, the same certificate with another comment behind it. Bun holds 64 idle sockets at most, and 60
 * configurations for half an hour (measured: memory stays what it is after a thousand of them).
 *
 * One request at a time: two at once would leave a second socket under the same key, of an age that nobody knows.
 */
export const REUSE_MS = 2_000;

export class KeptConnection {
  readonly #certPem: string;
  #answeredMs = Number.NEGATIVE_INFINITY;
  #isTaken = false;
  #tls: BunFetchRequestInitTLS = {};

  constructor(certPem: string) {
    this.#certPem = certPem;
  }

  /** `undefined`: somebody has it. Whoever takes it says how it ended, by `answered` or `lost`. */
  take(nowMs: number): BunFetchRequestInitTLS | undefined {
    if (this.#isTaken) return undefined;
    this.#isTaken = true;
    if (nowMs - this.#answeredMs > REUSE_MS) this.#tls = { ca: `${this.#certPem}# ${crypto.randomUUID()}\n` };
    return this.#tls;
  }

  /** The whole answer is here: the connection is in the pool, or the server closed it. */
  answered(nowMs: number): void {
    this.#isTaken = false;
    this.#answeredMs = nowMs;
  }

  lost(): void {
    this.#isTaken = false;
    this.#answeredMs = Number.NEGATIVE_INFINITY;
  }
}
