/** The person's side of a command: answers go out on stdout, everything else on stderr. */
export interface Terminal {
  out(text: string): void;
  err(text: string): void;
  readonly outIsTty: boolean;
  readonly inIsTty: boolean;
  /** Whether stderr is a terminal, so that progress may redraw a line. Absent: no. */
  readonly errIsTty?: boolean;
  /** Width in cells; 80 when stdout is not a terminal. */
  readonly columns: number;
  /** Whether to emit SGR sequences on stdout (cli.md rule 3 was already applied). */
  readonly colour: boolean;
  /** Whether glyphs beyond ASCII may be shown. */
  readonly unicode: boolean;
  /** One line from the terminal. Throws `bad_request` when there is nobody to ask. */
  ask(question: string): Promise<string>;
  /** The same without echo. */
  askSecret(question: string): Promise<string>;
  /** All of stdin. Throws `too_large`. */
  readStdin(bytesMax: number): Promise<Uint8Array>;
  /** Aborts at the first Ctrl-C or SIGTERM. */
  readonly interrupted: AbortSignal;
}
