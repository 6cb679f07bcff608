/**
 * What admission is judged by on this box, gathered anew for every op: the root in force and who this box is (verified, kept until a
 * worker reports newer ones), facts for expressions, the owner's policy, the clock.
 */
import { utf8 } from "../../../shared/core/bytes.ts";
import { sha256Hex } from "../../../shared/core/sha256.ts";
import { localTime } from "../../../shared/edge/local-time.ts";
import { openTargets } from "../../../shared/ops/op-target.ts";
import type { World } from "../../../shared/ports/world.ts";
import type { Expressions } from "../../../shared/states/expression.ts";
import type { HostIdentity } from "../../../shared/trust/host-identity.ts";
import { type TrustedRoot, verifyRootChain } from "../../../shared/trust/root.ts";
import type { AdmissionSite } from "../../core/ops/admit.ts";
import type { LocalPolicy } from "../../core/ops/policy.ts";
import { isCount, isEnvelope, isList, isPlain, parseJson } from "../../../shared/protocol/plain-json.ts";
import { type StoredIdentity, verifyStoredIdentity } from "../desired/stored-identity.ts";
import type { Desk } from "../desk.ts";
import { type Identity, loadIdentity } from "../enroll/identity.ts";
import { collectFacts } from "../facts/collect-facts.ts";
import { readLocalPolicy, type ReadPolicy } from "./local-policy.ts";

/** Facts for an expression may be this old. */
const FACTS_FRESH_MS = 5 * 60_000;
const ROOTS_MAX = 1_000;

export interface BoxTrust {
  readonly root: TrustedRoot;
  readonly identity: HostIdentity;
  readonly keys: Identity;
  readonly floorMs: number;
}

export class OpSite {
  readonly #world: World;
  readonly #desk: Desk;
  #trust: { readonly key: string; readonly value: BoxTrust } | undefined;
  #policy: ReadPolicy | undefined;
  #facts: { readonly atMs: number; readonly value: AdmissionSite["subject"]["facts"] } | undefined;
  #expressions: Expressions | undefined;

  constructor(world: World, desk: Desk) {
    this.#world = world;
    this.#desk = desk;
  }

  /** `undefined` when this box is not enrolled, or holds nothing that verifies: then nothing is taken. */
  async trust(): Promise<BoxTrust | undefined> {
    const { held, store } = this.#desk;
    const key = `${held?.root ?? 0}/${held?.cert ?? 0}/${store.quarantines}`;
    if (this.#trust?.key === key) return this.#trust.value;
    const value = this.#fromDatabase() ?? (await this.#fromEither());
    this.#trust = value === undefined ? undefined : { key, value };
    return value;
  }

  /** Something of it was just replaced. */
  forget(): void {
    this.#trust = undefined;
  }

  /** Everything but what the ledger and the op itself say. */
  async gather(trust: BoxTrust, forExpression: boolean): Promise<Omit<AdmissionSite, "ledger" | "ledgerFromMs" | "seen" | "obstacle">> {
    const nowMs = this.#world.clock.wallMs();
    if (forExpression) this.#expressions ??= await openTargets();
    return {
      root: trust.root,
      subject: {
        labels: trust.identity.labels,
        facts: forExpression ? await this.#freshFacts() : {},
        host: { id: trust.identity.hostId, name: trust.identity.name },
      },
      expressions: forExpression ? this.#expressions : undefined,
      nowMs,
      localTime: localTime(nowMs),
      floorMs: trust.floorMs,
      policy: await this.#localPolicy(),
    };
  }

  /** The rows that matter, without the bundle: verified just as a worker does. */
  #fromDatabase(): BoxTrust | undefined {
    const membership = this.#desk.membership();
    if (membership === undefined) return undefined;
    const read = (kind: string): unknown => {
      const row = this.#desk.store.use((database) =>
        database.get<{ body: string; sha256: string }>("op.trust", "SELECT body, sha256 FROM document WHERE kind = ?", kind),
      );
      return row === undefined || sha256Hex(utf8(row.body)) !== row.sha256 ? undefined : parseJson(row.body);
    };
    const roots = read("roots");
    const stored = storedIdentity(read("identity"));
    const floor = read("floor");
    if (!isList(roots, ROOTS_MAX, isEnvelope) || stored === undefined) return undefined;
    const root = verifyRootChain(roots, membership.root_hash);
    if (!root.ok) return undefined;
    const keys = loadIdentity(this.#world, this.#desk.settings.dataDir);
    const identity = verifyStoredIdentity(stored, root.value, keys);
    if (!identity.ok) return undefined;
    return { root: root.value, identity: identity.value, keys, floorMs: isPlain(floor) && isCount(floor["timeMs"]) ? floor["timeMs"] : 0 };
  }

  /** A damaged database still leaves the snapshot. */
  async #fromEither(): Promise<BoxTrust | undefined> {
    if (this.#desk.membership() === undefined) return undefined;
    const { loadDesired } = await import("../desired/load-desired.ts");
    const { root, identity, keys, documents } = loadDesired(this.#world, this.#desk.settings.dataDir);
    return root === undefined || identity === undefined ? undefined : { root, identity, keys, floorMs: documents.floor.timeMs };
  }

  async #freshFacts(): Promise<AdmissionSite["subject"]["facts"]> {
    const atMs = this.#world.clock.monoMs();
    if (this.#facts !== undefined && atMs - this.#facts.atMs < FACTS_FRESH_MS) return this.#facts.value;
    const value = await collectFacts(this.#world, { factsDirs: this.#desk.settings.factsDirs });
    this.#facts = { atMs, value };
    return value;
  }

  async #localPolicy(): Promise<LocalPolicy> {
    const read = await readLocalPolicy(this.#world, this.#policy);
    // What could not be read is looked at again each time.
    this.#policy = read.key === "unread" ? undefined : read;
    return read.value;
  }
}

function storedIdentity(value: unknown): StoredIdentity | undefined {
  if (!isPlain(value)) return undefined;
  if (isEnvelope(value["cert"])) return { cert: value["cert"] };
  return isEnvelope(value["grant"]) && isEnvelope(value["admission"]) ? { grant: value["grant"], admission: value["admission"] } : undefined;
}
