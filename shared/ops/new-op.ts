import { base32, base64url } from "../core/bytes.ts";
import type { FleetId } from "../core/ids.ts";
import { sha256Hex } from "../core/sha256.ts";
import type { Crypto } from "../ports/crypto.ts";
import { OP_LIFETIME_MS_MAX, type OpPayload, opPayload, type OpTarget } from "../trust/payloads.ts";
import { encodePayload } from "../trust/sign-payload.ts";
import { accept, refuse, type Verdict } from "../trust/verdict.ts";
import { checkOp, type CheckedOp } from "./catalogue.ts";
import { checkAim } from "./op-target.ts";

/** Made once and never changed: these bytes are what is drafted, shown, signed, carried and answered. */
export interface NewOp {
  readonly payload: OpPayload;
  readonly bytes: Uint8Array;
  /** Lower-case hex over the bytes: what returns and `--digest` name. */
  readonly sha256: string;
  readonly op: CheckedOp;
}

export interface OpWish {
  readonly fleetId: FleetId;
  readonly kind: string;
  readonly target: OpTarget;
  readonly params: Readonly<Record<string, unknown>>;
  readonly issuedAt: number;
  readonly lifetimeMs: number;
  readonly reason?: string | undefined;
}

/** Refuses what every host would refuse, with the same codes. Expressions are the caller's to check (`checkTarget`). */
export function newOp(wish: OpWish, crypto: Pick<Crypto, "randomBytes">): Verdict<NewOp> {
  const op = checkOp(wish.kind, wish.params);
  if (!op.ok) return op;
  const aim = checkAim(wish.kind, wish.target);
  if (!aim.ok) return aim;
  if (!Number.isSafeInteger(wish.lifetimeMs) || wish.lifetimeMs <= 0 || wish.lifetimeMs > OP_LIFETIME_MS_MAX) {
    return refuse("lifetime_too_long", "an op lives for at least a moment and at most 30 days");
  }
  const payload: OpPayload = {
    v: 1,
    fleet_id: wish.fleetId,
    id: `o-${base32(crypto.randomBytes(10))}`,
    kind: wish.kind,
    target: wish.target,
    params: { ...wish.params },
    nonce: base64url(crypto.randomBytes(32)),
    issued_at: wish.issuedAt,
    expires_at: wish.issuedAt + wish.lifetimeMs,
    ...(wish.reason === undefined ? {} : { reason: wish.reason }),
  };
  if (JSON.stringify(payload).length > PAYLOAD_CHARS_MAX) return refuse("envelope_too_large", `an op has at most ${PAYLOAD_CHARS_MAX} characters`);
  const bytes = encodePayload("op", opPayload, payload);
  return accept({ payload, bytes, sha256: sha256Hex(bytes), op: op.value });
}

/** Below the payload's limit even if a third of it is not ASCII. */
const PAYLOAD_CHARS_MAX = 768 * 1_024;
