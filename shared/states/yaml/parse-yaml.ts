import type { Checked, StateFault } from "../state-fault.ts";
import { faulty, good, pathText } from "../state-fault.ts";
import { parsePlainYaml } from "./plain-yaml.ts";

/**
 * YAML as felhom takes it: version 1.2, core schema (`no` is a text, 0644 is six hundred and forty-four), one document, keys
 * are texts and never given twice, no tags, no merge keys, aliases capped, no `__proto__`, no number that is not exact.
 * Every fault has a line and a column. The `yaml` package is loaded only when the plain reader has a doubt or a place has
 * to be found for a message: see plain-yaml.ts.
 */

export interface YamlDocument {
  readonly file: string;
  readonly value: unknown;
  /** Line of an outermost key or item, from 1. */
  readonly lineOf: (key: string | number) => number;
  /** A fault at a place in this document. The place is the nearest one that exists. */
  readonly fault: (path: readonly (string | number)[], message: string, remedy?: string) => Promise<StateFault>;
}

export const YAML_CHARS_MAX = 4 * 1024 * 1024;
const DEPTH_MAX = 32;
const ALIASES_MAX = 100;
/** The complete parser takes time that grows with nesting; this much bracket depth is refused before it sees the text. */
const FLOW_DEPTH_MAX = 64;
/** `- - - …`: each dash is a level, and its time grows with their square. */
const DASHES_DEEP = /^ *(?:[-?:] +){33}/m;

// oxlint-disable-next-line no-control-regex -- control characters are what this finds
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f\ufeff]/;

export async function parseYaml(file: string, text: string): Promise<Checked<YamlDocument>> {
  const refused = refuseText(file, text);
  if (refused !== undefined) return faulty(refused);
  const plain = parsePlainYaml(text);
  if (plain === undefined) return parseWhole(file, text);
  // Only a fault needs the complete parser here, and many faults need it once.
  const parsed: ReturnType<typeof composed>[] = [];
  return good({
    file,
    value: plain.value,
    lineOf: (key) => plain.lines.get(key) ?? 0,
    fault: (path, message, remedy) => located(file, text, (parsed[0] ??= composed(text)), path, message, remedy),
  });
}

function refuseText(file: string, text: string): StateFault | undefined {
  if (text.length > YAML_CHARS_MAX) return { file, line: 0, path: "", message: `has ${text.length} characters, at most ${YAML_CHARS_MAX} are read` };
  const bad = CONTROL.exec(text);
  if (bad !== null)
    return {
      file,
      ...placeOf(text, bad.index),
      path: "",
      message: `holds the control character U+${bad[0].charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}`,
    };
  if (!text.isWellFormed()) return { file, line: 0, path: "", message: "is not well-formed Unicode" };
  return undefined;
}

function placeOf(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset);
  return { line: before.split("\n").length, column: offset - before.lastIndexOf("\n") };
}

async function parseWhole(file: string, text: string): Promise<Checked<YamlDocument>> {
  const deep = flowDepth(text);
  if (deep !== undefined) return faulty({ file, ...placeOf(text, deep), path: "", message: `nests brackets deeper than ${FLOW_DEPTH_MAX} levels` });
  const dashes = DASHES_DEEP.exec(text);
  if (dashes !== null) return faulty({ file, ...placeOf(text, dashes.index), path: "", message: `nests deeper than ${DEPTH_MAX} levels in one line` });
  const parsed = await composed(text);
  if (parsed === undefined) return faulty({ file, line: 0, path: "", message: "nests too deep" });
  const { yaml, document } = parsed;
  const place = (range: readonly number[] | null | undefined) => placeOf(text, range?.[0] ?? 0);
  const problems = [...document.errors, ...document.warnings];
  if (problems.length > 0)
    return faulty(...problems.slice(0, 20).map((problem) => ({ file, ...placeOf(text, problem.pos[0]), path: "", ...inWords(problem.code, problem.message) })));
  if (document.directives?.yaml.explicit === true)
    return faulty({ file, line: 1, path: "", message: "has a %YAML directive", remedy: "Remove it: felhom always reads YAML 1.2." });
  const faults: StateFault[] = [];
  let aliases = 0;
  yaml.visit(document, {
    Alias(_, node) {
      aliases++;
      if (aliases <= ALIASES_MAX && node.resolve(document) === undefined)
        faults.push({
          file,
          ...place(node.range),
          path: "",
          message: `uses *${node.source}, and nothing before it is named &${node.source}`,
          remedy: STAR,
        });
      if (aliases === ALIASES_MAX + 1) faults.push({ file, ...place(node.range), path: "", message: `uses more than ${ALIASES_MAX} aliases` });
    },
    Pair(_, pair) {
      const key = yaml.isScalar(pair.key) ? pair.key : undefined;
      if (key?.value === "<<")
        faults.push({ file, ...place(key.range), path: "", message: "uses a merge key (<<)", remedy: "Repeat the keys, or use a settings level." });
      if (key?.value === "__proto__") faults.push({ file, ...place(key.range), path: "", message: "has a key named __proto__" });
    },
    Node(_, node) {
      if (node.tag !== undefined)
        faults.push({
          file,
          ...place(node.range),
          path: "",
          message: `has the tag ${node.tag}`,
          remedy: "Remove the tag: values are read as YAML 1.2 core does.",
        });
    },
  });
  if (faults.length > 0) return faulty(...faults);
  const value = valueOf(document);
  if (value === undefined) return faulty({ file, line: 1, path: "", message: "expands to too much through its aliases" });
  const lineOf = (key: string | number) => place(rangeAt(yaml, document.contents, [key])).line;
  const fault = async (path: readonly (string | number)[], message: string, remedy?: string): Promise<StateFault> => ({
    file,
    ...place(rangeAt(yaml, document.contents, path)),
    path: pathText(path),
    message,
    ...(remedy === undefined ? {} : { remedy }),
  });
  const odd = oddValue(value.value, [], 0);
  if (odd !== undefined) return faulty(await fault(odd.path, odd.message));
  return good({ file, value: withoutPrototypes(value.value), lineOf, fault });
}

/** `undefined` when it nests deeper than the stack. */
async function composed(text: string) {
  const yaml = await import("yaml");
  try {
    // No prettyErrors: the place is said by the fault, and messages stay one line.
    return {
      yaml,
      document: yaml.parseDocument(text, {
        version: "1.2",
        schema: "core",
        uniqueKeys: true,
        stringKeys: true,
        strict: true,
        merge: false,
        prettyErrors: false,
        logLevel: "error",
      }),
    };
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

type Composed = NonNullable<Awaited<ReturnType<typeof composed>>>;
type Yaml = Composed["yaml"];

function valueOf(document: Composed["document"]): { readonly value: unknown } | undefined {
  try {
    return { value: document.toJS({ maxAliasCount: ALIASES_MAX }) };
  } catch (error) {
    if (error instanceof ReferenceError || error instanceof RangeError) return undefined;
    throw error;
  }
}

function inWords(code: string, message: string): { message: string; remedy?: string } {
  if (code === "DUPLICATE_KEY")
    return { message: "the same key is given twice in one map", remedy: "Give each entry its own key; a resource's `name` or `path` may differ from it." };
  if (code === "MULTIPLE_DOCS") return { message: "holds several documents", remedy: "Use one file per state." };
  if (code === "TAB_AS_INDENT") return { message: "is indented with a tab", remedy: "Indent with spaces." };
  if (code === "NON_STRING_KEY") return { message: "a key is not a text", remedy: "Put the key in quotes." };
  if (code === "TAG_RESOLVE_FAILED") return { message: `has a tag that is not understood (${message.slice(0, 100)})`, remedy: "Remove the tag." };
  const remedy = /\balias\b/i.test(message) ? STAR : NOT_YAML[code];
  return { message: `is not YAML: ${message.slice(0, 200)}`, ...(remedy === undefined ? {} : { remedy }) };
}

const STAR = "Put it in quotes if the star is part of the text.";

/** What usually lies behind an error of the parser. */
const NOT_YAML: Readonly<Record<string, string>> = {
  BAD_INDENT: "Begin the line under what it belongs to, and close every [ and { before it.",
  BLOCK_AS_IMPLICIT_KEY: "Put a value with a colon and a space in it in quotes, or begin a map on a line of its own.",
  BLOCK_IN_FLOW: "Close every [ and { before the next key.",
  MISSING_CHAR: "Close what was opened before: a quote, a [ or a {.",
  BAD_SCALAR_START: "Put the value in quotes.",
  MULTILINE_IMPLICIT_KEY: "Put a value with a colon and a space in it in quotes, or begin a map on a line of its own.",
  BAD_DQ_ESCAPE: "Write a backslash twice, or use single quotes.",
  UNEXPECTED_TOKEN: "Begin the line under what it belongs to; a list and a map can't share a place.",
};

/** The offset where flow brackets nest too deep. Counts brackets in texts too, which is why the bound is generous. */
function flowDepth(text: string): number | undefined {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 91 || code === 123) depth++;
    else if ((code === 93 || code === 125) && depth > 0) depth--;
    else if (code === 10 && depth === 0) continue;
    if (depth > FLOW_DEPTH_MAX) return at;
  }
  return undefined;
}

function rangeAt(yaml: Yaml, root: unknown, path: readonly (string | number)[]): readonly number[] | undefined {
  let node = root;
  let range = yaml.isNode(root) ? (root.range ?? undefined) : undefined;
  for (const part of path) {
    let next: unknown;
    if (yaml.isMap(node)) {
      const pair = node.items.find((item) => yaml.isScalar(item.key) && String(item.key.value) === String(part));
      if (pair === undefined) break;
      range = yaml.isNode(pair.key) ? (pair.key.range ?? range) : range;
      next = pair.value;
    } else if (yaml.isSeq(node) && typeof part === "number") {
      next = node.items[part];
      if (yaml.isNode(next)) range = next.range ?? range;
    } else break;
    node = next;
  }
  return range;
}

async function located(
  file: string,
  text: string,
  parsing: ReturnType<typeof composed>,
  path: readonly (string | number)[],
  message: string,
  remedy: string | undefined,
): Promise<StateFault> {
  const parsed = await parsing;
  const range = parsed === undefined ? undefined : rangeAt(parsed.yaml, parsed.document.contents, path);
  return { file, ...placeOf(text, range?.[0] ?? 0), path: pathText(path), message, ...(remedy === undefined ? {} : { remedy }) };
}

/** What no later part wants to meet: depth, lost precision, infinities, halves of characters. */
export function oddValue(
  value: unknown,
  path: readonly (string | number)[],
  depth: number,
): { readonly path: readonly (string | number)[]; readonly message: string } | undefined {
  if (depth > DEPTH_MAX) return { path, message: `nests deeper than ${DEPTH_MAX} levels` };
  if (typeof value === "number") {
    if (!Number.isFinite(value)) return { path, message: "is not a finite number" };
    return Number.isInteger(value) && !Number.isSafeInteger(value) ? { path, message: "is too large to be exact" } : undefined;
  }
  if (typeof value === "string") return value.isWellFormed() ? undefined : { path, message: "is not well-formed Unicode" };
  if (Array.isArray(value)) {
    for (const [at, item] of value.entries()) {
      const odd = oddValue(item, [...path, at], depth + 1);
      if (odd !== undefined) return odd;
    }
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  for (const [key, item] of Object.entries(value)) {
    if (key === "__proto__") return { path, message: "has a key named __proto__" };
    const odd = oddValue(item, [...path, key], depth + 1);
    if (odd !== undefined) return odd;
  }
  return undefined;
}

/** The same with maps that inherit nothing, so that `toString` or `constructor` is a key only where it was written. */
export function withoutPrototypes(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutPrototypes);
  if (typeof value !== "object" || value === null) return value;
  const map: Record<string, unknown> = Object.create(null);
  for (const [key, item] of Object.entries(value)) map[key] = withoutPrototypes(item);
  return map;
}
