import type { TrustedRoot } from "../../../shared/trust/root.ts";

/**
 * The newest of what every host is told, in memory, so that a sync with nothing new asks no database. Numbers only grow while a
 * hub runs; a restore starts a new process.
 */
export class Fleet {
  #root: TrustedRoot | undefined;
  #bundle: number;
  readonly #newer: () => void;
  /** Raised by every restore from a backup. */
  readonly epoch: number;

  constructor(start: { readonly root: TrustedRoot | undefined; readonly bundle: number; readonly epoch: number }, newer: () => void) {
    this.#root = start.root;
    this.#bundle = start.bundle;
    this.epoch = start.epoch;
    this.#newer = newer;
  }

  get root(): TrustedRoot | undefined {
    return this.#root;
  }

  get rootVersion(): number {
    return this.#root?.payload.version ?? 0;
  }

  get bundleVersion(): number {
    return this.#bundle;
  }

  /** After the commit that stored it. */
  rootTaken(root: TrustedRoot): void {
    if (root.payload.version <= this.rootVersion) return;
    this.#root = root;
    this.#newer();
  }

  /** After the commit that stored it. */
  bundleTaken(version: number): void {
    if (version <= this.#bundle) return;
    this.#bundle = version;
    this.#newer();
  }
}
