import { hex, utf8 } from "../../../../shared/core/bytes.ts";
import { durableWrite } from "../../../../shared/edge/durable-write.ts";
import { boxKeyFromSeed, SEED_BYTES, sameKey, spellKey } from "../../../../shared/trust/keys.ts";
import { paths } from "../../../core/desired/paths.ts";
import { done, type Executor, failed } from "../executor.ts";

/**
 * A new key for secrets, staged beside the one in use. It counts when a certificate names it (see stored-identity.ts), so nothing is
 * lost if none ever comes. The one before stays until the next rotation: bundles that were sealed to it are still in force.
 */
export const hostRekey: Executor<"host.rekey"> = async (_params, { world, desk, site }) => {
  const trust = await site.trust();
  if (trust === undefined) return failed("op_precondition", "this box holds no certificate");
  const at = paths(desk.settings.dataDir);
  const { nextBoxKey } = trust.keys;
  if (nextBoxKey !== undefined && sameKey(nextBoxKey.publicKey, trust.identity.boxKey)) {
    // The last rotation is in force: its key takes the first place, so that the next one does not overwrite it.
    durableWrite(world.files, world.crypto, "identity.rekey", at.boxKey, utf8(`${hex(nextBoxKey.seed)}\n`), { mode: 0o600 });
  }
  const seed = world.crypto.randomBytes(SEED_BYTES);
  durableWrite(world.files, world.crypto, "identity.rekey", at.nextBoxKey, utf8(`${hex(seed)}\n`), { mode: 0o600 });
  site.forget();
  return done({ box_key: spellKey(boxKeyFromSeed(seed).publicKey), before: spellKey(trust.identity.boxKey), serial: trust.identity.serial });
};
