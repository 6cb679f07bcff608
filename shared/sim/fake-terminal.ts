import { Fault } from "../core/fault.ts";
import type { Terminal } from "../ports/terminal.ts";
import type { World } from "../ports/world.ts";
import type { Call, Globals } from "../cli/command.ts";

/** A terminal for tests: what was printed can be read back, questions are answered from a list. */
export interface FakeTerminal extends Terminal {
  stdout(): string;
  stderr(): string;
  questions(): readonly string[];
}

export function fakeTerminal(
  options: {
    readonly columns?: number;
    readonly tty?: boolean;
    readonly colour?: boolean;
    readonly unicode?: boolean;
    readonly answers?: readonly string[];
    readonly stdin?: Uint8Array;
    readonly interrupted?: AbortSignal;
  } = {},
): FakeTerminal {
  const out: string[] = [];
  const err: string[] = [];
  const asked: string[] = [];
  const answers = [...(options.answers ?? [])];
  const answer = (question: string): Promise<string> => {
    asked.push(question);
    const next = answers.shift();
    return next === undefined ? Promise.reject(new Fault("bad_request", `Cannot ask: ${question.trim()}`)) : Promise.resolve(next);
  };
  return {
    out: (text) => void out.push(text),
    err: (text) => void err.push(text),
    outIsTty: options.tty ?? false,
    errIsTty: options.tty ?? false,
    inIsTty: options.answers !== undefined,
    columns: options.columns ?? 80,
    colour: options.colour ?? false,
    unicode: options.unicode ?? true,
    ask: answer,
    askSecret: answer,
    readStdin: () => Promise.resolve(options.stdin ?? new Uint8Array()),
    interrupted: options.interrupted ?? new AbortController().signal,
    stdout: () => out.join(""),
    stderr: () => err.join(""),
    questions: () => asked,
  };
}

export const DEFAULT_GLOBALS: Globals = {
  output: "table",
  quiet: false,
  verbose: false,
  context: undefined,
  timeoutMs: 30_000,
  input: true,
  dryRun: false,
  yes: false,
  reason: undefined,
  debug: false,
  home: "/nonexistent",
};

/** A call as the parser would make it, for tests of one command. */
export function fakeCall(parts: {
  readonly world: World;
  readonly terminal?: Terminal;
  readonly args?: Call["args"];
  readonly options?: Call["options"];
  readonly globals?: Partial<Globals>;
  readonly env?: Call["env"];
  readonly cwd?: string;
}): Call {
  return {
    args: parts.args ?? {},
    options: parts.options ?? {},
    globals: { ...DEFAULT_GLOBALS, ...parts.globals },
    world: parts.world,
    terminal: parts.terminal ?? fakeTerminal(),
    env: parts.env ?? {},
    cwd: parts.cwd ?? "/",
  };
}
