import { utf8 } from "../../../shared/core/bytes.ts";
import type { Database } from "../../../shared/ports/databases.ts";
import { type Envelope, parseEnvelope } from "../../../shared/trust/envelope.ts";
import { ROOT_CHAIN_MAX, type TrustedRoot, verifyRootChain } from "../../../shared/trust/root.ts";
import { listRoots } from "../store/roots.ts";
import { orRefuse } from "./refused.ts";

/**
 * The newest root of the stored chain, verified again from version 1. Undefined while the hub has no fleet. Throws `refused` when what
 * is stored does not verify: an error is not an absence. The hub verifies as a courtesy to its operator; no box relies on it.
 */
export function loadRoot(db: Database): TrustedRoot | undefined {
  const rows = listRoots(db, 0, ROOT_CHAIN_MAX);
  const first = rows[0];
  if (first === undefined) return undefined;
  return orRefuse(
    "stored root",
    verifyRootChain(
      rows.map((row) => storedEnvelope("root", row.envelope)),
      first.payload_sha256,
    ),
  );
}

/** An envelope column. What is in there was verified before it was stored, so anything unreadable is damage, said by name. */
export function storedEnvelope(what: string, text: string): Envelope {
  return orRefuse(`stored ${what}`, parseEnvelope(utf8(text)));
}
