/**
 * libsodium's sealed box (crypto_box_seal), with the ephemeral secret as an argument: sealing is then a function of its inputs,
 * and a seed of the simulator fixes every byte. The caller draws 32 fresh random bytes from `World.crypto` for each seal; two
 * seals with one ephemeral secret to one key would share a nonce. Opening says one thing for every failure, so that it tells
 * an attacker nothing. libsodium is loaded on the first use only: it costs megabytes that a resident agent must not pay.
 */
import { concat } from "../core/bytes.ts";
import { type BoxKey, boxKeyFromSeed, checkBoxKey, KEY_BYTES } from "./keys.ts";
import { accept, refuse, type Verdict } from "./verdict.ts";

export interface SealedBox {
  /** Refuses a low-order or non-canonical key: such a box anyone could open. */
  seal(message: Uint8Array, boxPublicKey: Uint8Array, ephemeralSeed: Uint8Array): Verdict<Uint8Array>;
  open(sealed: Uint8Array, boxKey: BoxKey): Verdict<Uint8Array>;
}

const NONCE_BYTES = 24;
const TAG_BYTES = 16;
export const SEAL_OVERHEAD_BYTES = KEY_BYTES + TAG_BYTES;

export async function loadSealedBox(): Promise<SealedBox> {
  const { default: sodium } = await import("libsodium-wrappers");
  await sodium.ready;
  // As crypto_box_seal defines it: BLAKE2b-192 over both public keys. The ephemeral key is used once, so the nonce is too.
  const nonceOf = (ephemeral: Uint8Array, receiver: Uint8Array) => sodium.crypto_generichash(NONCE_BYTES, concat(ephemeral, receiver), null);
  return {
    seal(message, boxPublicKey, ephemeralSeed) {
      const safe = checkBoxKey(boxPublicKey);
      if (!safe.ok) return safe;
      const ephemeral = boxKeyFromSeed(ephemeralSeed);
      const nonce = nonceOf(ephemeral.publicKey, boxPublicKey);
      return accept(concat(ephemeral.publicKey, sodium.crypto_box_easy(message, nonce, boxPublicKey, ephemeral.seed)));
    },
    open(sealed, boxKey) {
      const ephemeral = sealed.subarray(0, KEY_BYTES);
      if (sealed.byteLength < SEAL_OVERHEAD_BYTES) return unopenable();
      try {
        return accept(sodium.crypto_box_open_easy(sealed.subarray(KEY_BYTES), nonceOf(ephemeral, boxKey.publicKey), ephemeral, boxKey.seed));
      } catch {
        return unopenable();
      }
    },
  };
}

const unopenable = () => refuse("secret_unopenable", "the sealed box does not open with this key");
