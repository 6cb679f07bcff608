/**
 * The root in force, as this hub sees it: the stored chain from version 1, verified again when it is loaded. The hub verifies as a
 * courtesy to its operator (a typo is refused at upload, not on a thousand boxes); no box ever relies on it.
 */
import { Fault } from "../../../shared/core/fault.ts";
import type { Database } from "../../../shared/ports/databases.ts";
import { utf8 } from "../../../shared/core/bytes.ts";
import { parseEnvelope } from "../../../shared/trust/envelope.ts";
import { ROOT_CHAIN_MAX, type TrustedRoot, verifyRootChain } from "../../../shared/trust/root.ts";
import { listRoots, newestRootVersion } from "../store/roots.ts";
import { orRefuse } from "./refused.ts";

/** Keeps the verified chain's newest root until a newer version is stored. */
export class CurrentRoot {
  #held: TrustedRoot | undefined;

  /** Undefined while the hub has no fleet. Throws `refused` when what is stored does not verify: an error is not an absence. */
  find(db: Database): TrustedRoot | undefined {
    const newest = newestRootVersion(db);
    if (newest === 0) return undefined;
    if (this.#held?.payload.version !== newest) this.#held = loadRoot(db);
    return this.#held;
  }

  /** Throws `conflict` while the hub has no fleet. */
  get(db: Database): TrustedRoot {
    const root = this.find(db);
    if (root === undefined) throw new Fault("conflict", "Cannot do that yet: this hub has no fleet", { remedy: "Run felhom login with --setup-token-file on your workstation" });
    return root;
  }
}

export function loadRoot(db: Database): TrustedRoot | undefined {
  const rows = listRoots(db, 0, ROOT_CHAIN_MAX);
  const first = rows[0];
  if (first === undefined) return undefined;
  const envelopes = rows.map((row) => orRefuse("stored root", parseEnvelope(utf8(row.envelope))));
  return orRefuse("stored root", verifyRootChain(envelopes, first.payload_sha256));
}
