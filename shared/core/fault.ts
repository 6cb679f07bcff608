import { FAULTS, type FaultCode } from "./fault-code.ts";

export type FaultFacts = Readonly<Record<string, string | number | boolean | null | undefined>>;

/**
 * The world misbehaved, or somebody's input was wrong. One class with a closed set of codes: catch it at a boundary and
 * switch on `code`. `message` is "Cannot <action>: <current value>", sentence case, no final stop; it never contains the
 * cause's text (`flatten` does that once, for the log). `facts` are ids and numbers, never secrets.
 */
export class Fault extends Error {
  readonly code: FaultCode;
  readonly facts: FaultFacts;
  /** What to run or change next, for a person. */
  readonly remedy: string | undefined;

  constructor(code: FaultCode, message: string, options: { readonly facts?: FaultFacts; readonly cause?: unknown; readonly remedy?: string } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "Fault";
    this.code = code;
    this.facts = options.facts ?? {};
    this.remedy = options.remedy;
  }

  get status(): number {
    return FAULTS[this.code].status;
  }

  get exit(): number {
    return FAULTS[this.code].exit;
  }
}

/** The chain of causes as one line: outer message first, each cause after " – ". Bounded to eight links. */
export function flatten(error: unknown): string {
  const parts: string[] = [];
  for (let at: unknown = error; at !== undefined && at !== null && parts.length < 8; at = at instanceof Error ? at.cause : undefined) {
    parts.push(wordsOf(at));
  }
  return parts.join(" – ");
}

function wordsOf(thrown: unknown): string {
  if (thrown instanceof Fault) return `${thrown.code}: ${thrown.message}`;
  if (thrown instanceof Error) return thrown.message;
  return typeof thrown === "string" ? thrown : "something that is no error was thrown";
}

/** For a person, when no screen is there to lay it out: what failed, the code, what to do next. */
export function explain(error: unknown): string {
  if (!(error instanceof Fault)) return flatten(error);
  return `${error.message}\n  code ${error.code}${error.remedy === undefined ? "" : `\n  next ${error.remedy}`}`;
}

export function isFault(error: unknown, code?: FaultCode): error is Fault {
  return error instanceof Fault && (code === undefined || error.code === code);
}
