/** Randomness fit for keys, nonces and tokens. Everything else of cryptography is a pure function in `shared/trust`. */
export interface Crypto {
  randomBytes(count: number): Uint8Array;
}
