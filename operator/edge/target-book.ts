/**
 * Hosts as this workstation verifies them, fetched once per command. What the hub lists is only where to look: a host counts by its
 * certificate, and its facts and report by its own signature.
 */
import { isFault } from "../../shared/core/fault.ts";
import type { HostDetail } from "../../shared/protocol/api/hosts.ts";
import { openTargets, checkTarget } from "../../shared/ops/op-target.ts";
import type { Expressions } from "../../shared/states/expression.ts";
import { checkKnown } from "../../shared/trust/host-identity.ts";
import type { OpTarget } from "../../shared/trust/payloads.ts";
import type { Verdict } from "../../shared/trust/verdict.ts";
import { unverifiedText, verifyHostDetail } from "../core/fleet/verified-host.ts";
import { inParallel } from "../core/in-parallel.ts";
import { type KnownHost, namedHosts, type TargetView, viewTarget } from "../core/sign/target-view.ts";
import { getHost, listHosts, take } from "./hub-api.ts";
import type { KnownHosts } from "./known-hosts.ts";
import type { Session } from "./session.ts";

const AT_ONCE = 8;
type Seen = { readonly ok: true; readonly host: KnownHost } | { readonly ok: false; readonly name: string; readonly because: string };

export class TargetBook {
  readonly #session: Pick<Session, "hub" | "root">;
  readonly #known: KnownHosts;
  readonly #seen = new Map<string, Seen>();
  #all: readonly string[] | undefined;
  #expressions: Expressions | undefined;

  constructor(session: Pick<Session, "hub" | "root">, known: KnownHosts) {
    this.#session = session;
    this.#known = known;
  }

  /** Refuses a target that no host could take. */
  async view(target: OpTarget): Promise<Verdict<TargetView>> {
    this.#expressions ??= await openTargets();
    const reads = checkTarget(target, this.#expressions);
    if (!reads.ok) return reads;
    const ids = namedHosts(target) ?? (await this.#everyHost());
    await inParallel(
      ids.filter((id) => !this.#seen.has(id)),
      AT_ONCE,
      (id) => this.#look(id),
    );
    const seen = ids.flatMap((id) => this.#seen.get(id) ?? []);
    const hosts = seen.flatMap((one) => (one.ok ? [one.host] : []));
    const unverified = seen.flatMap((one) => (one.ok ? [] : [{ name: one.name, because: one.because }]));
    return { ok: true, value: viewTarget(target, { hosts, unverified }, this.#expressions, reads.value) };
  }

  async #everyHost(): Promise<readonly string[]> {
    this.#all ??= (await take(listHosts(this.#session.hub))).filter(({ health }) => health !== "revoked").map(({ host_id }) => host_id);
    return this.#all;
  }

  async #look(id: string): Promise<void> {
    try {
      this.#seen.set(id, this.#judge(await getHost(this.#session.hub, id)));
    } catch (error) {
      if (!isFault(error, "not_found")) throw error;
      this.#seen.set(id, { ok: false, name: id, because: "the hub does not know it" });
    }
  }

  #judge(detail: HostDetail): Seen {
    const { identity, facts, report } = verifyHostDetail(detail, this.#session.root);
    const known = identity.ok ? checkKnown(this.#known.get(identity.value.hostId), identity.value) : identity;
    if (!known.ok) return { ok: false, name: detail.name, because: unverifiedText(known) };
    return {
      ok: true,
      host: {
        identity: known.value,
        facts: facts?.ok === true ? { at: facts.value.created_at, values: facts.value.facts } : undefined,
        report:
          report?.ok === true
            ? {
                at: report.value.created_at,
                summary: `bundle ${report.value.bundle}, ${report.value.mode}, ${report.value.counts.failed} failed, ${report.value.counts.drifted} drifted`,
              }
            : undefined,
      },
    };
  }
}
