/** A local stream socket to a program that is no HTTP server, such as an ssh-agent. One question, one whole answer, one connection. */
export interface StreamSocket {
  /**
   * Connects to the socket at `path`, writes `question`, reads until `isWhole` says that the answer is there, closes. Throws a `Fault`:
   * `net_unreachable` (nobody listens, or it hung up early), `net_timeout`, `net_too_large`.
   */
  ask(op: string, asked: SocketQuestion): Promise<Uint8Array>;
}

export interface SocketQuestion {
  readonly path: string;
  readonly question: Uint8Array;
  readonly isWhole: (answer: Uint8Array) => boolean;
  readonly answerBytesMax: number;
  /** Covers all of it; a person may have to touch a key. */
  readonly timeoutMs: number;
  readonly stop: AbortSignal;
}
