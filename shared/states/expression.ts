import type { Context, ParseResult } from "@marcbachmann/cel-js";

/**
 * The one expression language of felhom: CEL (github.com/google/cel-spec), used by targets, `onlyIf` and secrets. It sees
 * `label.*` (signed by the operator), `fact.*` (claimed by the box) and `host.name`, and gives true or false.
 *
 * Strict: a name that is not there is a fault that names it, unless `has(label.x)` asks first. As CEL says, `a || b` is true
 * when one side is, whatever the other is. Bounded in length and size; `matches` is refused, because a pattern of JavaScript
 * can take for ever. The library is loaded only for expressions that are more than `true` or `false`.
 */

export interface Subject {
  readonly labels: Readonly<Record<string, string>>;
  readonly facts: Readonly<Record<string, unknown>>;
  readonly host: { readonly id: string; readonly name: string };
}

/** `host`: all names. `labels`: only what the operator signed, for secrets. */
export type ExpressionScope = "host" | "labels";

export type Judged = { readonly ok: true; readonly value: boolean } | { readonly ok: false; readonly message: string; readonly remedy?: string };

export const EXPRESSION_CHARS_MAX = 2_048;
const AST_NODES_MAX = 500;
const AST_DEPTH_MAX = 32;
const EXPRESSIONS_KEPT = 1_000;

export interface ExpressionLimits {
  readonly charsMax: number;
  readonly nodesMax: number;
  readonly listMax: number;
  /** So many parsed expressions are kept. */
  readonly keptMax: number;
}
const STATE_LIMITS: ExpressionLimits = { charsMax: EXPRESSION_CHARS_MAX, nodesMax: AST_NODES_MAX, listMax: 256, keptMax: EXPRESSIONS_KEPT };

/** What an expression asks about: names below `label.` and `fact.` (`*` where an index is computed), and of `host.`. */
export interface NamesRead {
  readonly labels: readonly string[];
  readonly facts: readonly string[];
  readonly host: readonly string[];
}

export interface Expressions {
  /** Syntax, names and types, without a host. */
  readonly check: (text: string, scope: ExpressionScope) => Judged;
  /** The same, and what it reads: an expression that is refused reads nothing. */
  readonly namesRead: (text: string, scope: ExpressionScope) => NamesRead;
  readonly evaluate: (text: string, scope: ExpressionScope, subject: Subject) => Judged;
}

/** `undefined` when the text is more than a plain `true` or `false`: then open the library. */
export function trivial(text: string): Judged | undefined {
  if (text === "true") return { ok: true, value: true };
  return text === "false" ? { ok: true, value: false } : undefined;
}

export async function openExpressions({ charsMax, nodesMax, listMax, keptMax }: ExpressionLimits = STATE_LIMITS): Promise<Expressions> {
  const { Environment } = await import("@marcbachmann/cel-js");
  const limits = { maxAstNodes: nodesMax, maxDepth: AST_DEPTH_MAX, maxListElements: listMax, maxMapEntries: 64, maxCallArguments: 16 };
  const labels = new Environment({ unlistedVariablesAreDyn: false, homogeneousAggregateLiterals: false, limits })
    .registerVariable("label", "map<string, string>")
    .registerVariable("host", "map<string, string>");
  const host = labels.clone().registerVariable("fact", "map<string, dyn>");
  const parse = (text: string, scope: ExpressionScope): ParseResult | Refused => {
    if (text.length > charsMax) return { ok: false, message: `the expression has ${text.length} characters, at most ${charsMax} are taken` };
    try {
      const parsed = (scope === "host" ? host : labels).parse(text);
      if (calls(parsed.ast, "matches"))
        return { ok: false, message: "the expression uses matches()", remedy: "Use startsWith, endsWith, contains or a list with `in`." };
      const checked = parsed.check();
      if (checked.valid)
        return checked.type === "bool" || checked.type === "dyn"
          ? parsed
          : { ok: false, message: `the expression gives a ${String(checked.type)}, true or false is wanted` };
      return refused(checked.error, text, scope);
    } catch (error) {
      return refused(error, text, scope);
    }
  };
  // A host's thousand entries ask the same few questions of the same facts: both are prepared once.
  const known = new Map<string, ParseResult | Refused>();
  const contexts = new WeakMap<Subject, Context>();
  const parsed = (text: string, scope: ExpressionScope): ParseResult | Refused => {
    const key = `${scope} ${text}`;
    const found = known.get(key) ?? parse(text, scope);
    if (known.size < keptMax) known.set(key, found);
    return found;
  };
  const contextOf = (subject: Subject): Context => {
    const found = contexts.get(subject) ?? { label: subject.labels, host: subject.host, fact: withIntegers(subject.facts) };
    contexts.set(subject, found);
    return found;
  };
  return {
    check: (text, scope) => {
      const found = trivial(text) ?? parsed(text, scope);
      return "ok" in found ? found : { ok: true, value: true };
    },
    namesRead: (text, scope) => {
      const found = trivial(text) ?? parsed(text, scope);
      return namesIn("ok" in found ? undefined : found.ast);
    },
    evaluate: (text, scope, subject) => {
      const found = trivial(text) ?? parsed(text, scope);
      if ("ok" in found) return found;
      // `fact` is not a name of the other scope, but a secret's rule is not even shown the facts.
      const { label, host: named, fact } = contextOf(subject);
      return run(found, text, scope, scope === "host" ? { label, host: named, fact } : { label, host: named });
    },
  };
}

type Refused = Judged & { readonly ok: false };

function run(parsed: ParseResult, text: string, scope: ExpressionScope, context: Context): Judged {
  try {
    const value: unknown = parsed(context);
    return typeof value === "boolean"
      ? { ok: true, value }
      : { ok: false, message: `the expression gives ${value === null ? "null" : `a ${typeof value}`}, true or false is wanted` };
  } catch (error) {
    return refused(error, text, scope);
  }
}

/** CEL's integers are exact and apart from doubles, and a fact like 8192 is meant as one. */
function withIntegers(value: unknown): unknown {
  if (typeof value === "number") return Number.isSafeInteger(value) ? BigInt(value) : value;
  if (Array.isArray(value)) return value.map(withIntegers);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withIntegers(item)]));
}

function refused(error: unknown, text: string, scope: ExpressionScope): Refused {
  if (error instanceof RangeError) return { ok: false, message: "the expression is too deep" };
  const said = (error instanceof Error ? error.message : String(error)).split("\n")[0] ?? "";
  const unknownVariable = /^Unknown variable: (.+)$/.exec(said)?.[1];
  if (unknownVariable === "fact" && scope === "labels") {
    return { ok: false, message: "the expression uses fact", remedy: "A box claims its facts itself, so secrets are aimed by label.* and host.name only." };
  }
  if (unknownVariable !== undefined)
    return {
      ok: false,
      message: `there is no ${unknownVariable} in expressions`,
      remedy: scope === "host" ? "There are label.*, fact.*, host.name and host.id." : "There are label.*, host.name and host.id.",
    };
  const missing = /^No such key: (.+)$/.exec(said)?.[1];
  if (missing !== undefined) {
    const path = selectionAt(error, text) ?? missing;
    return { ok: false, message: `this host has no ${path}`, remedy: `If that is meant, ask first: has(${path}) && …` };
  }
  return { ok: false, message: `the expression is not understood: ${said.slice(0, 200)}`, remedy: syntaxRemedy(said, scope) };
}

function syntaxRemedy(said: string, scope: ExpressionScope): string {
  if (said === "Unexpected character: =") return "Compare with ==.";
  if (said.startsWith("no such overload"))
    return "Both sides have to be of one kind: labels are texts (label.rack == '4'), facts may be numbers (fact.mem_mb >= 8192).";
  return `It is CEL, as in ${scope === "host" ? "label.role == 'web' && fact.mem_mb >= 8192" : "label.role == 'web' || host.name == 'db-1'"}.`;
}

/** The whole selection, `fact.os.family`, whose last name starts where the error points. */
function selectionAt(error: unknown, text: string): string | undefined {
  const range: unknown = typeof error === "object" && error !== null && "range" in error ? error.range : undefined;
  if (
    typeof range !== "object" ||
    range === null ||
    !("start" in range) ||
    !("end" in range) ||
    typeof range.start !== "number" ||
    typeof range.end !== "number"
  )
    return undefined;
  let start = range.start;
  while (start > 0 && /[A-Za-z0-9_.]/.test(text[start - 1] ?? "")) start--;
  const path = text.slice(start, range.end);
  return /^(?:label|fact|host)[A-Za-z0-9_.]*$/.test(path) ? path : undefined;
}

/** Whether the tree calls this function or method anywhere. Nodes are `{ op, args }`; args hold nodes, lists and plain values. */
function calls(node: unknown, name: string): boolean {
  if (Array.isArray(node)) return node.some((part) => calls(part, name));
  if (typeof node !== "object" || node === null || !("op" in node) || !("args" in node)) return false;
  if ((node.op === "call" || node.op === "rcall") && Array.isArray(node.args) && node.args[0] === name) return true;
  return calls(node.args, name);
}

function namesIn(tree: unknown): NamesRead {
  const found = { label: new Set<string>(), fact: new Set<string>(), host: new Set<string>() };
  const walk = (node: unknown): void => {
    if (Array.isArray(node)) return node.forEach(walk);
    if (typeof node !== "object" || node === null || !("op" in node) || !("args" in node)) return;
    const selected = selectionOf(node);
    if (selected === undefined) {
      // The whole map, handed to a macro or a function: any name may be read.
      if (node.op === "id" && isMapName(node.args)) found[node.args].add("*");
      walk(node.args);
      return;
    }
    found[selected.of].add(selected.name);
    if (selected.index !== undefined) walk(selected.index);
  };
  walk(tree);
  return { labels: [...found.label].sort(), facts: [...found.fact].sort(), host: [...found.host].sort() };
}

const isMapName = (name: unknown): name is "label" | "fact" | "host" => name === "label" || name === "fact" || name === "host";

/** `label.site`, `fact["os"]`, `label[host.name]`: which map, and which name of it. Nested names of facts go by their first. */
function selectionOf(node: { readonly op: unknown; readonly args: unknown }): { of: "label" | "fact" | "host"; name: string; index?: unknown } | undefined {
  if ((node.op !== "." && node.op !== ".?" && node.op !== "[]" && node.op !== "[?]") || !Array.isArray(node.args)) return undefined;
  const [of, name]: readonly unknown[] = node.args;
  if (typeof of !== "object" || of === null || !("op" in of) || !("args" in of) || of.op !== "id" || !isMapName(of.args)) return undefined;
  if (typeof name === "string") return { of: of.args, name };
  const value = typeof name === "object" && name !== null && "op" in name && "args" in name && name.op === "value" ? name.args : undefined;
  return typeof value === "string" ? { of: of.args, name: value } : { of: of.args, name: "*", index: name };
}
