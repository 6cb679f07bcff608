import { base64, utf8 } from "../../../shared/core/bytes.ts";
import type { World } from "../../../shared/ports/world.ts";
import { readBoxKey } from "../../../shared/trust/keys.ts";
import { loadSealedBox } from "../../../shared/trust/sealed-box.ts";
import { hostCredentialHash, makeHostCredential } from "../store/host-credentials.ts";
import { orRefuse } from "../trust/refused.ts";

export interface SealedCredential {
  /** What the hub keeps. */
  readonly sha256: string;
  /** Base64 of a sealed box to the host's box key; inside `{ "credential": "…" }`. Only that box can read it. */
  readonly sealed: string;
}

/** A fresh credential that nobody but the holder of `boxKey` (base64url) will ever see. Throws `refused` for a key that is not safe. */
export async function sealCredential(world: Pick<World, "crypto">, boxKey: string): Promise<SealedCredential> {
  const box = await loadSealedBox();
  const credential = makeHostCredential(world.crypto.randomBytes(32));
  const publicKey = orRefuse("box key", readBoxKey(boxKey));
  const sealed = orRefuse("box key", box.seal(utf8(JSON.stringify({ credential })), publicKey, world.crypto.randomBytes(32)));
  return { sha256: hostCredentialHash(credential), sealed: base64(sealed) };
}
