/** What this process knows of itself, read once by `main.ts`. */
export interface Self {
  /** Path of the running felhom binary, to start itself again in another role. */
  readonly exe: readonly [string, ...string[]];
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
  readonly version: string;
  /** Resident memory now, in bytes. */
  rssBytes(): number;
  /** Hands back what a long wait does not need. A courtesy: it may do nothing, and it never fails. */
  releaseMemory(): Promise<void>;
}
