/** What a hub that is somebody else's puts into its answers, as far as ops go: it has every signed byte and no operator's key. */
import { base64, fromBase64, fromUtf8, utf8 } from "../../core/bytes.ts";
import type { Rng } from "../../ports/rng.ts";
import type { Envelope } from "../../protocol/fields.ts";
import { HOSTILE_MARK } from "../checkers/nothing-hostile.ts";
import { signEnvelope } from "../../trust/envelope.ts";
import type { SigningKey } from "../../trust/keys.ts";
import { COUNT } from "./counting-program.ts";
import type { OpsTruth, SignedOp } from "./ops-truth.ts";

const FRESH_ID = "o-aaaaaaaaaaaaaaaa";

/** Members of a sync reply, or nothing while no op was ever signed. */
export function lieAboutOps(rng: Rng, truth: OpsTruth, thief: SigningKey): Readonly<Record<string, unknown>> | undefined {
  const all = [...truth.signed.values()];
  const some = (): SignedOp | undefined => all[rng.int(Math.max(1, all.length))];
  const op = some();
  if (op === undefined) return undefined;
  const { payload, envelope } = op;
  const hostile = { ...payload, id: FRESH_ID, params: { argv: [COUNT, HOSTILE_MARK, "0"], timeout_s: 60 } };
  switch (rng.int(8)) {
    case 0: // again, many times, old ones first
      return { ops: Array.from({ length: 1 + rng.int(6) }, () => some()?.envelope ?? envelope) };
    case 1: // an order of its own, with a signature of its own
      return { ops: [signEnvelope("op", utf8(JSON.stringify(hostile)), [thief])] };
    case 2: // other bytes under a real signature
      return { ops: [rewritten(envelope, () => hostile)] };
    case 3: // aimed at everybody
      return { ops: [rewritten(envelope, (bytes) => ({ ...bytes, target: { expr: "true" } }))] };
    case 4: // the same op under another id, so that no ledger knows it
      return { ops: [rewritten(envelope, (bytes) => ({ ...bytes, id: FRESH_ID }))] };
    case 5: // longer alive than it was signed for
      return { ops: [rewritten(envelope, (bytes) => ({ ...bytes, expires_at: payload.expires_at + 10 * 86_400_000 }))] };
    case 6: // nobody signed it, and with a signature twice over
      return {
        ops: [
          { ...envelope, signatures: [] },
          { ...envelope, signatures: [...envelope.signatures, ...envelope.signatures] },
        ],
      };
    default: // taken back, which a courier may, and given anyway
      return { cancelled: [payload.id], ops: [envelope] };
  }
}

function rewritten(envelope: Envelope, change: (payload: Record<string, unknown>) => unknown): Envelope {
  const payload: unknown = JSON.parse(fromUtf8(fromBase64(envelope.payload) ?? new Uint8Array()));
  if (typeof payload !== "object" || payload === null) return envelope;
  return { ...envelope, payload: base64(utf8(JSON.stringify(change({ ...payload })))) };
}
