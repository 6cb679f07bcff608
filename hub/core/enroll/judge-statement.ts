/**
 * Does this request prove that who sends it holds the keys it names, now, for this hub? Pure, and before any disk write. Each refusal
 * is its own, so that a box (and a test) can tell a dead challenge from a wrong clock from a forged signature.
 */
import { fromBase64url, utf8 } from "../../../shared/core/bytes.ts";
import type { HostId } from "../../../shared/core/ids.ts";
import { type EnrollStatement, enrollStatement } from "../../../shared/protocol/enroll.ts";
import { hostIdOf, readBoxKey, readPublicKey, verifySignature } from "../../../shared/trust/keys.ts";
import { parseVersioned } from "../../../shared/trust/strict-json.ts";
import type { Refusal } from "../../../shared/trust/verdict.ts";

export const CLOCK_SKEW_MS_MAX = 10 * 60_000;
const STATEMENT_BYTES_MAX = 16_384;

export interface Claim {
  readonly statement: EnrollStatement;
  readonly hostId: HostId;
  readonly signingKey: Uint8Array;
  readonly boxKey: Uint8Array;
}

export type Judgement =
  | { readonly is: "proven"; readonly claim: Claim }
  | { readonly is: "refused"; readonly refusal: Refusal; readonly detail: string }
  | { readonly is: "challenge-unknown" }
  | { readonly is: "clock-skew"; readonly boxMs: number; readonly hubMs: number };

export interface Request {
  /** The exact text that was signed. */
  readonly statement: string;
  /** 64 bytes, base64url. */
  readonly signature: string;
}

/** `nonceOf` recalls the nonce this hub gave under a challenge id, while it is good. */
export function judgeStatement(request: Request, nonceOf: (challengeId: string) => string | undefined, nowMs: number): Judgement {
  const bytes = utf8(request.statement);
  const parsed = parseVersioned(enrollStatement, bytes, STATEMENT_BYTES_MAX);
  if (!parsed.ok) return { is: "refused", refusal: parsed.refusal, detail: parsed.detail };
  const statement = parsed.value;
  const signingKey = readPublicKey(statement.signing_key);
  if (!signingKey.ok) return { is: "refused", refusal: signingKey.refusal, detail: signingKey.detail };
  const boxKey = readBoxKey(statement.box_key);
  if (!boxKey.ok) return { is: "refused", refusal: boxKey.refusal, detail: boxKey.detail };
  const nonce = nonceOf(statement.challenge_id);
  if (nonce === undefined || nonce !== statement.nonce) return { is: "challenge-unknown" };
  const signature = fromBase64url(request.signature);
  if (signature === undefined || !verifySignature(signingKey.value, bytes, signature))
    return { is: "refused", refusal: "signature_bad", detail: "the statement is not signed by the key it names" };
  if (Math.abs(statement.signed_at - nowMs) > CLOCK_SKEW_MS_MAX) return { is: "clock-skew", boxMs: statement.signed_at, hubMs: nowMs };
  return { is: "proven", claim: { statement, hostId: hostIdOf(signingKey.value), signingKey: signingKey.value, boxKey: boxKey.value } };
}

/** What a box signs to ask how its request stands. */
export const pollText = (requestId: string, signedAtText: string): Uint8Array => utf8(`felhom enroll poll\n${requestId}\n${signedAtText}`);
