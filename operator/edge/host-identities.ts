import type { HostIdentity } from "../../shared/trust/host-identity.ts";
import { refuse, type Verdict } from "../../shared/trust/verdict.ts";
import { isFault } from "../../shared/core/fault.ts";
import { identityOf, listProofs } from "./aim.ts";
import { getHost } from "./hub-api.ts";
import type { Session } from "./session.ts";

/**
 * Who signed an answer, looked up as answers come: what `aim` verified already, a few hosts one by one, and when there are more the
 * whole list at once. A host that nobody can vouch for is a refusal, kept like any other.
 */
const SINGLY_MAX = 8;

export class HostIdentities {
  readonly #session: Pick<Session, "hub" | "root">;
  readonly #known: Map<string, Verdict<HostIdentity>>;
  #asked = 0;
  #hasAll = false;

  constructor(session: Pick<Session, "hub" | "root">, verified: ReadonlyMap<string, HostIdentity> = new Map()) {
    this.#session = session;
    this.#known = new Map([...verified].map(([id, value]) => [id, { ok: true, value }]));
  }

  async of(hostId: string): Promise<Verdict<HostIdentity>> {
    const known = this.#known.get(hostId);
    if (known !== undefined) return known;
    if (!this.#hasAll && this.#asked >= SINGLY_MAX) {
      for (const proof of await listProofs(this.#session, false)) this.#known.set(proof.host_id, identityOf(proof, this.#session));
      this.#hasAll = true;
    }
    const found = this.#known.get(hostId) ?? (await this.#single(hostId));
    this.#known.set(hostId, found);
    return found;
  }

  /** Those of these that verify. */
  async map(hostIds: readonly string[]): Promise<ReadonlyMap<string, HostIdentity>> {
    const found = new Map<string, HostIdentity>();
    for (const id of hostIds) {
      const identity = await this.of(id);
      if (identity.ok) found.set(id, identity.value);
    }
    return found;
  }

  /** Also a revoked host, which the list leaves out. */
  async #single(hostId: string): Promise<Verdict<HostIdentity>> {
    this.#asked += 1;
    try {
      return identityOf(await getHost(this.#session.hub, hostId), this.#session);
    } catch (error) {
      if (isFault(error, "not_found")) return refuse("key_unknown", "the hub knows no such host");
      throw error;
    }
  }
}
