/** Randomness fit for keys, nonces and tokens, and signatures looked at beside the event loop. Everything else of cryptography is a pure function in `shared/trust`. */
export interface Crypto {
  randomBytes(count: number): Uint8Array;
  /** Bare Ed25519 on another core, where there is one. Called through `shared/trust` only, whose filter stands before it. Never rejects for what it is given. */
  readonly verify: (publicKey: Uint8Array, bytes: Uint8Array, signature: Uint8Array) => Promise<boolean>;
}
