import { fromBase64url, utf8 } from "../../../shared/core/bytes.ts";
import type { EnrollmentItem } from "../../../shared/protocol/api/hosts.ts";
import { enrollStatement, type EnrollStatement } from "../../../shared/protocol/enroll.ts";
import { hostIdOf, readBoxKey, readPublicKey, sameKey, verifySignature } from "../../../shared/trust/keys.ts";
import { parseVersioned } from "../../../shared/trust/strict-json.ts";
import { accept, refuse, type Verdict } from "../../../shared/trust/verdict.ts";
import { enrollmentWords, type FiveWords } from "../../../shared/trust/words.ts";

/**
 * A pending enrollment, read from the bytes that the box signed. The words are computed here from the two keys that will go into
 * the certificate: what the hub says of them is never shown, so a hub that swaps a key shows words that the box does not.
 */
export interface Enrollment {
  readonly requestId: string;
  readonly statement: EnrollStatement;
  readonly signingKey: Uint8Array;
  readonly boxKey: Uint8Array;
  readonly words: FiveWords;
}

const STATEMENT_BYTES_MAX = 16_384;

export function readEnrollment(item: EnrollmentItem): Verdict<Enrollment> {
  const bytes = utf8(item.statement);
  const parsed = parseVersioned(enrollStatement, bytes, STATEMENT_BYTES_MAX);
  if (!parsed.ok) return parsed;
  const statement = parsed.value;
  const signingKey = readPublicKey(statement.signing_key);
  if (!signingKey.ok) return signingKey;
  const boxKey = readBoxKey(statement.box_key);
  if (!boxKey.ok) return boxKey;
  if (sameKey(signingKey.value, boxKey.value)) return refuse("key_unsafe", "one key stands for signing and sealing");
  const signature = fromBase64url(item.signature);
  if (signature === undefined || !verifySignature(signingKey.value, bytes, signature))
    return refuse("signature_bad", "the request is not signed by the key it names");
  if (hostIdOf(signingKey.value) !== item.host_id) return refuse("host_mismatch", `the key is that of ${hostIdOf(signingKey.value)}`);
  return accept({
    requestId: item.request_id,
    statement,
    signingKey: signingKey.value,
    boxKey: boxKey.value,
    words: enrollmentWords(signingKey.value, boxKey.value),
  });
}

/** Words as people type them: any case, dashes, spaces or commas between. */
export function sameWords(typed: string, words: readonly string[]): boolean {
  const said = typed
    .toLowerCase()
    .split(/[\s,-]+/)
    .filter((word) => word !== "");
  return said.length === words.length && said.every((word, at) => word === words[at]);
}
