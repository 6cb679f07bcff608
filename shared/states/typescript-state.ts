import type { Context, SourceTextModule } from "node:vm";
import type { StateFault } from "./state-fault.ts";
import { REALM } from "./typescript-realm.ts";

/**
 * Runs a TypeScript state: `export default (host: Host) => entries`. It runs in a realm of its own that has the language
 * and nothing else: no Bun, process, require, fetch, timers, files, no clock, no randomness, no imports. Only JSON text
 * passes in and out. That makes a state a function of the host; that it cannot harm the box is the work of the process it
 * runs in (another user, limits, an empty environment), not of this file.
 *
 * It runs twice, each time in a new realm, and both answers must be equal.
 */

export interface TypescriptHost {
  readonly id: string;
  readonly name: string;
  readonly labels: unknown;
  readonly facts: unknown;
  readonly settings: unknown;
  readonly secrets: unknown;
}

export type TypescriptAnswer =
  | { readonly ok: true; readonly entries: unknown; readonly usesSecret: boolean }
  | { readonly ok: false; readonly fault: StateFault };

export const TYPESCRIPT_CHARS_MAX = 1024 * 1024;
const RUN_MS_MAX = 5_000;
const ANSWER_CHARS_MAX = 32 * 1024 * 1024;
/** A state's top level has to be done after this many turns of the microtask queue: nothing can be waited for in there. */
const TURNS_MAX = 100;

export async function runTypescriptState(file: string, source: string, host: TypescriptHost, runMsMax = RUN_MS_MAX): Promise<TypescriptAnswer> {
  const fault = (message: string, line = 0, remedy?: string): TypescriptAnswer => ({
    ok: false,
    fault: { file, line, path: "", message, ...(remedy === undefined ? {} : { remedy }) },
  });
  if (source.length > TYPESCRIPT_CHARS_MAX) return fault(`has ${source.length} characters, at most ${TYPESCRIPT_CHARS_MAX} are taken`);
  const plain = withoutTypes(source);
  if (!plain.ok) return fault(plain.message, plain.line, SYNTAX_REMEDY);
  const banned = /\bimport\s*\(|\bimport\s*\.\s*meta\b/.exec(plain.code);
  if (banned !== null)
    return fault("uses import() or import.meta", sourceLine(source, plain.code, plain.code.slice(0, banned.index).split("\n").length), IMPORT_REMEDY);
  const imported = new Bun.Transpiler({ loader: "js" }).scanImports(plain.code).find((one) => one.kind === "import-statement");
  if (imported !== undefined)
    return fault(
      `imports ${JSON.stringify(imported.path)}`,
      sourceLine(source, plain.code, plain.code.slice(0, Math.max(0, plain.code.search(/^(?:import\b|export\b[^"'\n]*\bfrom\b)/m))).split("\n").length),
      IMPORT_REMEDY,
    );
  const json = JSON.stringify(host);
  const first = await runOnce(plain.code, json, runMsMax);
  if (!first.ok) return fault(first.message, first.line === 0 ? 0 : sourceLine(source, plain.code, first.line), first.remedy);
  const second = await runOnce(plain.code, json, runMsMax);
  if (!second.ok || second.answer !== first.answer)
    return fault("gives different resources when it is run again with the same host", 0, "A state may depend on the host it is given and on nothing else.");
  const { entries, usesSecret }: { entries?: unknown; usesSecret?: unknown } = JSON.parse(first.answer);
  return { ok: true, entries, usesSecret: usesSecret === true };
}

const SYNTAX_REMEDY = "Mend that line; a state is `export default (host: Host) => [ … ]`.";
const END_REMEDY = "A state has to end by itself: look for a loop that does not.";
const IMPORT_REMEDY = "A state stands alone: nothing is imported but types (`import type`).";

function withoutTypes(source: string): { readonly ok: true; readonly code: string } | { readonly ok: false; readonly message: string; readonly line: number } {
  try {
    return { ok: true, code: new Bun.Transpiler({ loader: "ts", target: "browser" }).transformSync(source) };
  } catch (error) {
    const problem: unknown = error instanceof AggregateError ? error.errors[0] : error;
    const position: unknown = typeof problem === "object" && problem !== null && "position" in problem ? problem.position : undefined;
    const line = typeof position === "object" && position !== null && "line" in position && typeof position.line === "number" ? position.line : 0;
    return { ok: false, message: `is not TypeScript: ${problem instanceof Error ? problem.message : String(problem)}`, line };
  }
}

type Once = { readonly ok: true; readonly answer: string } | { readonly ok: false; readonly message: string; readonly line: number; readonly remedy?: string };

async function runOnce(code: string, hostJson: string, runMsMax: number): Promise<Once> {
  const vm = await import("node:vm");
  const realm: Context = vm.createContext(Object.create(null));
  const prepare: (state: unknown, hostJson: string) => void = vm.runInContext(REALM, realm, { filename: "felhom-realm" });
  const stop = (message: string, error?: unknown, remedy?: string): Once => ({
    ok: false,
    message,
    line: lineOf(error),
    ...(remedy === undefined ? {} : { remedy }),
  });
  let module: SourceTextModule;
  try {
    module = new vm.SourceTextModule(code, { context: realm, identifier: "state" });
  } catch (error) {
    return stop(`is not TypeScript: ${messageOf(error)}`, undefined, SYNTAX_REMEDY);
  }
  try {
    await module.link((name) => {
      throw new Error(`imports ${JSON.stringify(name)}`);
    });
    const state = { is: "running" };
    let failure: unknown;
    module.evaluate({ timeout: runMsMax }).then(
      () => (state.is = "done"),
      (error: unknown) => {
        failure = error;
        state.is = "failed";
      },
    );
    for (let turn = 0; turn < TURNS_MAX && state.is === "running"; turn++) await Promise.resolve();
    if (state.is === "failed") throw failure;
    if (state.is === "running") return stop("waits at its top level", undefined, "There is nothing to wait for in a state: remove the await.");
  } catch (error) {
    return timedOut(error) ? stop(`did not end within ${runMsMax / 1_000} s`, error, END_REMEDY) : stop(messageOf(error), error);
  }
  const state: unknown = Reflect.get(module.namespace, "default");
  if (typeof state !== "function") return stop("exports no default function", undefined, "export default (host: Host) => [ … ]");
  prepare(state, hostJson);
  try {
    const answer: unknown = vm.runInContext("__felhomRun()", realm, { timeout: runMsMax });
    return typeof answer === "string" ? judged(answer) : stop("gave no answer");
  } catch (error) {
    return timedOut(error) ? stop(`did not end within ${runMsMax / 1_000} s`, error, END_REMEDY) : stop(messageOf(error), error);
  }
}

/** The realm answers `{ entries, usesSecret }` or `{ error, stack }`, as JSON. */
function judged(answer: string): Once {
  if (answer.length > ANSWER_CHARS_MAX)
    return { ok: false, message: `gives ${answer.length} characters of resources, at most ${ANSWER_CHARS_MAX} are taken`, line: 0 };
  if (!answer.startsWith('{"error":')) return { ok: true, answer };
  const { error, stack }: { error?: unknown; stack?: unknown } = JSON.parse(answer);
  return { ok: false, message: String(error).slice(0, 500), line: lineOf({ stack }) };
}

function timedOut(error: unknown): boolean {
  return typeof error === "object" && error !== null && "code" in error && error.code === "ERR_SCRIPT_EXECUTION_TIMEOUT";
}

function messageOf(error: unknown): string {
  const message: unknown = typeof error === "object" && error !== null && "message" in error ? error.message : error;
  return (typeof message === "string" ? (message.split("\n")[0] ?? "") : "threw something that is not an Error").slice(0, 500);
}

/** The line in the code that ran: the first frame of a stack that lies in the module, which has no name of its own there. */
function lineOf(error: unknown): number {
  const stack: unknown = typeof error === "object" && error !== null && "stack" in error ? error.stack : undefined;
  if (typeof stack !== "string") return 0;
  return Number(/\b(?:unknown|state):(\d+):\d+/.exec(stack.slice(0, 20_000))?.[1] ?? 0);
}

const WORD = /[A-Za-z_$][\w$]*|\d+|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'/g;

/**
 * The transpiler drops types, comments and empty lines and gives no source map. What it leaves are words of the source in
 * their order, so that walking both gives the line, or one shortly before it.
 */
function sourceLine(source: string, code: string, codeLine: number): number {
  const wanted = code.split("\n").slice(0, codeLine).join("\n").match(WORD) ?? [];
  const bare = source.replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, (comment) => comment.replace(/[^\n]/g, " "));
  const words = [...bare.matchAll(WORD)];
  let at = 0;
  let offset = 0;
  for (const word of wanted) {
    let next = at;
    while (next < words.length && !sameWord(words[next]?.[0] ?? "", word)) next++;
    if (next === words.length) continue;
    offset = words[next]?.index ?? offset;
    at = next + 1;
  }
  return bare.slice(0, offset).split("\n").length;
}

const sameWord = (a: string, b: string): boolean => a === b || (/^["']/.test(a) && a.slice(1, -1) === b.slice(1, -1));
