/**
 * May this op run on this box? Every check in trust.md's order, each with its own code; when two things are wrong the earlier check
 * speaks. Pure: the caller looks up the ledger, the clock and the disk, and commits the ledger row before anything runs.
 *
 * What it must never do: look at a payload before its signatures were counted (one exception: kinds that need none), take the hub's
 * word for time, class, target or who asked, or let a repaired or a second reading of the bytes decide. A damaged or rolled back
 * ledger is never treated as an empty one.
 */
import { checkOp, type CheckedOp, opTraits, timeoutMsOf } from "../../../shared/ops/catalogue.ts";
import type { OpClass } from "../../../shared/ops/op-kind.ts";
import { checkAim, judgeTarget } from "../../../shared/ops/op-target.ts";
import type { Expressions, Subject } from "../../../shared/states/expression.ts";
import { UNSIGNED_LIFETIME_MS_MAX, type VerifiedOp, verifyOpBytes } from "../../../shared/trust/op.ts";
import { OP_FUTURE_MS_MAX, OP_LIFETIME_MS_MAX, type OpPayload, type RootPayload } from "../../../shared/trust/payloads.ts";
import { accept, type Refusal, refuse, type Verdict } from "../../../shared/trust/verdict.ts";
import type { LocalTime } from "../desired/spec.ts";
import { judgePolicy, type LocalPolicy } from "./policy.ts";

/**
 * `damaged`: rows may be missing, so what is not idempotent could run twice. `behind`: an older copy of the whole data directory was
 * put back, so nothing it says of the past counts. Both have an incident id that a recovery must name.
 */
export type LedgerState = { readonly is: "sound" } | { readonly is: "damaged" | "behind"; readonly incident: string };

export interface AdmissionSite {
  /** The newest root that this box holds. */
  readonly root: { readonly payload: RootPayload };
  /** Certificate and facts of this box. */
  readonly subject: Subject;
  /** `undefined` until an op asked for them. */
  readonly expressions: Pick<Expressions, "evaluate"> | undefined;
  readonly nowMs: number;
  readonly localTime: LocalTime;
  /** The largest signed time ever accepted. */
  readonly floorMs: number;
  /** Issue time of the last ledger recovery: what was issued until then is no longer known here. 0: there was none. */
  readonly ledgerFromMs: number;
  readonly ledger: LedgerState;
  readonly policy: LocalPolicy;
  /** Whether the ledger holds this id or this nonce. */
  readonly seen: (id: string, nonce: string) => boolean;
  /** Free disk, locks: why it can't run now. */
  readonly obstacle: (op: CheckedOp) => string | undefined;
}

export interface Admitted {
  readonly is: "admitted";
  readonly op: CheckedOp;
  readonly verified: VerifiedOp;
  readonly class: OpClass;
  readonly exclusive: boolean;
  readonly idempotent: boolean;
  readonly timeoutMs: number;
  /**
   * `commit`: the row is on disk before anything runs. `skip`: nobody signed it, it changes nothing, and it must not take a row – a
   * hub could otherwise fill the disk, or use up the id of an op that somebody signed.
   */
  readonly ledger: "commit" | "skip";
  /** To be persisted with the row. */
  readonly floorMs: number;
}

export interface Refused {
  readonly is: "refused";
  readonly code: Refusal;
  readonly detail: string;
  /** Where the signatures counted: the box can answer it. */
  readonly verified?: VerifiedOp;
}

/** `undecided`: its expression needs the library. Ask again with `expressions`. */
export type Admission = Admitted | Refused | { readonly is: "undecided" };

export function admit(bytes: Uint8Array, site: AdmissionSite): Admission {
  const verified = verifyOpBytes(bytes, site.root);
  if (!verified.ok) return refused(verified);
  const { value } = verified;
  const aim = judgeTarget(value.payload.target, site.subject, site.expressions);
  if (aim.is === "undecided") return aim;
  if (aim.is === "not-meant") return refused(refuse("op_target_mismatch", aim.because), value);
  const timely = checkTimes(value, site);
  if (!timely.ok) return refused(timely, value);
  const fresh = checkLedger(value.payload, site);
  if (!fresh.ok) return refused(fresh, value);
  const op = checkKind(value.payload);
  if (!op.ok) return refused(op, value);
  const allowed = judgePolicy(site.policy, value, site.root, site.localTime);
  if (!allowed.ok) return refused(allowed, value);
  const ready = checkPreconditions(op.value, site);
  if (!ready.ok) return refused(ready, value);
  return admitted(op.value, value, site);
}

/**
 * Once more, when a queued op is about to start: it may have expired, its signer may have left the root, the policy may have changed.
 * `bytes` are the envelope's, as they were admitted.
 */
export function admitAgain(bytes: Uint8Array, site: Pick<AdmissionSite, "root" | "nowMs" | "localTime" | "floorMs" | "policy">): Verdict<VerifiedOp> {
  const verified = verifyOpBytes(bytes, site.root);
  if (!verified.ok) return verified;
  if (site.nowMs >= verified.value.payload.expires_at) return refuse("expired", "while it waited for its turn");
  const unset = checkClock(verified.value, site);
  return unset.ok ? judgePolicy(site.policy, verified.value, site.root, site.localTime) : unset;
}

/** A clock that is right is never more than this behind what was accepted: the same allowance let it in. */
const clockIsBehind = ({ nowMs, floorMs }: Pick<AdmissionSite, "nowMs" | "floorMs">): boolean => nowMs < floorMs - OP_FUTURE_MS_MAX;

function checkTimes(op: VerifiedOp, site: AdmissionSite): Verdict<OpPayload> {
  const { payload } = op;
  const { issued_at, expires_at } = payload;
  const lifetimeMax = op.signers.length === 0 ? UNSIGNED_LIFETIME_MS_MAX : OP_LIFETIME_MS_MAX;
  if (!clockIsBehind(site) && issued_at > site.nowMs + OP_FUTURE_MS_MAX)
    return refuse("from_future", `issued ${seconds(issued_at - site.nowMs)} ahead of this box's clock`);
  if (site.nowMs >= expires_at) return refuse("expired", `${seconds(site.nowMs - expires_at)} ago`);
  if (expires_at - issued_at > lifetimeMax)
    return refuse("lifetime_too_long", `it lives ${seconds(expires_at - issued_at)}, at most ${seconds(lifetimeMax)} are allowed`);
  if (expires_at <= site.floorMs) return refuse("below_floor", "it ended before something that was already accepted began");
  if (issued_at <= site.ledgerFromMs) return refuse("below_floor", "it was issued before this box's record of ops was recovered");
  const unset = checkClock(op, site);
  return unset.ok ? accept(payload) : unset;
}

/** Without a clock nobody can say that something is still valid; what only reads does no harm late. */
function checkClock(op: VerifiedOp, site: Pick<AdmissionSite, "nowMs" | "floorMs">): Verdict<VerifiedOp> {
  if (op.class === "read" || !clockIsBehind(site)) return accept(op);
  return refuse("op_clock_unset", `the clock is ${seconds(site.floorMs - site.nowMs)} behind`);
}

function checkLedger(payload: OpPayload, site: AdmissionSite): Verdict<OpPayload> {
  if (site.seen(payload.id, payload.nonce)) return refuse("op_replayed", payload.id);
  if (site.ledger.is === "sound") return accept(payload);
  const traits = opTraits(payload.kind);
  const harmless = traits?.class === "read" || payload.kind === "agent.recover-ledger" || (site.ledger.is === "damaged" && traits?.idempotent === true);
  return harmless ? accept(payload) : refuse("op_ledger_unsafe", `${site.ledger.is}, incident ${site.ledger.incident}`);
}

function checkKind(payload: OpPayload): Verdict<CheckedOp> {
  const op = checkOp(payload.kind, payload.params);
  if (!op.ok) return op;
  const aim = checkAim(payload.kind, payload.target);
  return aim.ok ? op : aim;
}

function checkPreconditions(op: CheckedOp, site: AdmissionSite): Verdict<CheckedOp> {
  if (op.kind === "agent.recover-ledger" && (site.ledger.is === "sound" || site.ledger.incident !== op.params.incident)) {
    return refuse("op_precondition", site.ledger.is === "sound" ? "this box's record of ops is sound" : "it names another incident than this box has");
  }
  const obstacle = site.obstacle(op);
  return obstacle === undefined ? accept(op) : refuse("op_precondition", obstacle.slice(0, 500));
}

function admitted(op: CheckedOp, verified: VerifiedOp, site: AdmissionSite): Admitted {
  const traits = opTraits(op.kind);
  const isSigned = verified.signers.length > 0;
  return {
    is: "admitted",
    op,
    verified,
    class: traits?.class ?? "destroy",
    exclusive: traits?.exclusive ?? true,
    idempotent: traits?.idempotent ?? false,
    timeoutMs: timeoutMsOf(op),
    ledger: isSigned ? "commit" : "skip",
    // What nobody signed moves nothing, and neither does what a box without a clock could not judge: a time far ahead would lock it.
    floorMs: isSigned && !clockIsBehind(site) ? Math.max(site.floorMs, verified.payload.issued_at) : site.floorMs,
  };
}

function refused({ refusal, detail }: { readonly refusal: Refusal; readonly detail: string }, verified?: VerifiedOp): Refused {
  return { is: "refused", code: refusal, detail, ...(verified === undefined ? {} : { verified }) };
}

const seconds = (ms: number): string => `${Math.round(ms / 1_000)} s`;
