/** Other programs. The environment is exactly what is given; there is no shell; a child gets its own process group. */
export interface Exec {
  /**
   * Runs to the end. Never rejects for what the program did: look at `Finished`. Throws a `Fault` (`exec_missing`,
   * `exec_failed`) when it could not be started. When the limit passes or `stop` aborts, the whole process group is killed.
   */
  run(op: string, command: Command): Promise<Finished>;
  /** Starts a long-lived child. */
  spawn(op: string, command: Omit<Command, "timeoutMs" | "stdin" | "outputBytesMax">): Child;
  /** Starts a child whose output is heard as it comes, and whose stdin stays open and empty until it is fed. */
  start(op: string, command: PipedCommand): Piped;
}

export interface Command {
  readonly argv: readonly [string, ...string[]];
  readonly stdin?: Uint8Array;
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Run as this user and group, without supplementary groups. Only root can. */
  readonly user?: { readonly uid: number; readonly gid: number };
  /** Address-space or resident limits and CPU seconds, where given. */
  readonly limits?: { readonly cpuSeconds?: number; readonly dataBytes?: number };
  readonly timeoutMs: number;
  /** Of stdout and stderr each; what is beyond is dropped and `truncated` says so. */
  readonly outputBytesMax: number;
  readonly stop?: AbortSignal;
  /** When this aborts, the group gets SIGTERM and may end by itself. */
  readonly asked?: AbortSignal;
}

export interface Finished {
  /** Exit code, or null when a signal ended it. */
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
  readonly truncated: boolean;
  readonly timedOut: boolean;
}

export interface Child {
  readonly pid: number;
  readonly exited: Promise<{ readonly code: number | null; readonly signal: string | null }>;
  /** Signals the whole process group. */
  kill(signal: "TERM" | "KILL"): void;
}

export interface PipedCommand extends Omit<Command, "timeoutMs" | "stdin" | "outputBytesMax"> {
  /** Called for all output, in order per stream. The listener bounds what it keeps. */
  readonly onOutput: (from: "stdout" | "stderr", bytes: Uint8Array) => void;
}

/** `exited` resolves after the last output was heard. */
export interface Piped extends Child {
  /** All of stdin at once, then its end. Once; a child that no longer reads is no error. */
  feed(bytes: Uint8Array): void;
}
