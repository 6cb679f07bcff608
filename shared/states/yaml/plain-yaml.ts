/**
 * Reads the plain part of YAML 1.2 that nearly every fleet file keeps to: block maps and lists, one-line flow collections,
 * one-line scalars, literal blocks (`|` and `|-`), comments. Anything else – anchors, tags, folded text, several documents,
 * odd numbers, a key given twice, a doubt – makes it return `undefined`, and the complete parser decides. So it is never
 * wrong, only sometimes unhelpful; a test compares it with the complete parser on everything it accepts.
 *
 * Why it is here: the `yaml` package takes 270 ms for the first 1 000 resources, this takes 3, and a box converges every
 * few minutes. `Bun.YAML` is fast too, but keeps the last of two equal keys without a word.
 */

export type Plain = string | number | boolean | null | Plain[] | PlainMap;
export interface PlainMap {
  [key: string]: Plain;
}

export interface PlainDocument {
  readonly value: PlainMap | Plain[];
  /** Lines (from 1) of the outermost map's keys or list's items. */
  readonly lines: ReadonlyMap<string | number, number>;
}

const DEPTH_MAX = 24;
const KEY_CHARS_MAX = 512;
const WORDS = /^(?:null|true|false)$/i;
const KEY = /^(?:([A-Za-z_/][A-Za-z0-9_./@+-]*)|"([^"\\]*)"|'([^']*)'):(?:$| +)/;
const DOUBLE_QUOTED = /^"((?:[^"\\]|\\["\\nt])*)"(?: *$| +#.*$)/;
const SINGLE_QUOTED = /^'((?:[^']|'')*)'(?: *$| +#.*$)/;
const INTEGER = /^(?:0|-?[1-9][0-9]{0,14})$/;
/** First characters that mean nothing to YAML in a plain scalar. */
const PLAIN_FIRST = /^[A-Za-z_/(\\$<=;^~]/;
const FLOW_PLAIN = /[A-Za-z0-9_./@+%=~ -]/;

/** Thrown inside this file only: the text is not plain. */
class NotPlain extends Error {}

const giveUp = (): never => {
  throw new NotPlain();
};

export function parsePlainYaml(text: string): PlainDocument | undefined {
  if (!text.endsWith("\n") || text.includes("\r")) return undefined;
  const reader = new Reader(text.split("\n"));
  try {
    return reader.document();
  } catch (error) {
    if (error instanceof NotPlain) return undefined;
    throw error;
  }
}

/** The lines and how far they are read. Lives for one call. */
class Reader {
  readonly #lines: string[];
  #at = 0;

  constructor(lines: string[]) {
    this.#lines = lines;
    this.#lines.pop();
  }

  document(): PlainDocument | undefined {
    const indent = this.#next();
    if (indent !== 0) return undefined;
    const lines = new Map<string | number, number>();
    const value = this.#isItem(0) ? this.#list(0, 1, lines) : this.#map(0, 1, lines);
    return this.#next() === undefined ? { value, lines } : undefined;
  }

  /** Moves to the next line with content and says its indent; `undefined` at the end. */
  #next(): number | undefined {
    for (; this.#at < this.#lines.length; this.#at++) {
      const line = this.#lines[this.#at] ?? "";
      const indent = indentOf(line);
      if (indent === line.length || line.charCodeAt(indent) === 35) continue;
      if (line.includes("\t")) giveUp();
      return indent;
    }
    return undefined;
  }

  #isItem(indent: number): boolean {
    const line = this.#lines[this.#at] ?? "";
    return line.charCodeAt(indent) === 45 && (line.length === indent + 1 || line.charCodeAt(indent + 1) === 32);
  }

  #map(indent: number, depth: number, lines?: Map<string | number, number>): PlainMap {
    if (depth > DEPTH_MAX) giveUp();
    const map: PlainMap = Object.create(null);
    for (let here = this.#next(); here !== undefined && here >= indent; here = this.#next()) {
      if (here > indent) giveUp();
      const rest = (this.#lines[this.#at] ?? "").slice(indent);
      const match = KEY.exec(rest) ?? giveUp();
      const key = match[1] ?? match[2] ?? match[3] ?? giveUp();
      if (key.length > KEY_CHARS_MAX || key === "__proto__" || key in map || (match[1] !== undefined && WORDS.test(key))) giveUp();
      lines?.set(key, this.#at + 1);
      map[key] = this.#value(rest.slice(match[0].length), indent, depth, true);
    }
    return map;
  }

  #list(indent: number, depth: number, lines?: Map<string | number, number>): Plain[] {
    if (depth > DEPTH_MAX) giveUp();
    const list: Plain[] = [];
    for (let here = this.#next(); here !== undefined && here >= indent; here = this.#next()) {
      if (here > indent) giveUp();
      if (!this.#isItem(indent)) break;
      lines?.set(list.length, this.#at + 1);
      const line = this.#lines[this.#at] ?? "";
      const start = indent + 1 + indentOf(line.slice(indent + 1));
      const rest = line.slice(start);
      if (rest === "" || rest.startsWith("#") || rest === "-" || rest.startsWith("- ")) giveUp();
      if (KEY.test(rest)) {
        this.#lines[this.#at] = " ".repeat(start) + rest;
        list.push(this.#map(start, depth + 1));
      } else list.push(this.#value(rest, indent, depth, false));
    }
    return list;
  }

  /** What stands after `key:` or `- ` at `indent`; leaves the reader behind it. */
  #value(text: string, indent: number, depth: number, inMap: boolean): Plain {
    if (text !== "" && !text.startsWith("#")) {
      this.#at++;
      const block = /^(\||\|-)(?: *$| +#.*$)/.exec(text);
      return block === null ? inlineValue(text, depth) : this.#literal(indent, block[1] === "|-");
    }
    this.#at++;
    const here = this.#next();
    if (here === undefined || here < indent) return null;
    if (here > indent) return this.#isItem(here) ? this.#list(here, depth + 1) : this.#map(here, depth + 1);
    return inMap && this.#isItem(here) ? this.#list(here, depth + 1) : null;
  }

  #literal(parent: number, strip: boolean): string {
    const lines: string[] = [];
    let indent = 0;
    for (; this.#at < this.#lines.length; this.#at++) {
      const line = this.#lines[this.#at] ?? "";
      const spaces = indentOf(line);
      if (spaces === line.length) {
        if (spaces > 0 && (indent === 0 || spaces > indent)) giveUp();
        lines.push("");
        continue;
      }
      if (indent === 0) indent = spaces > parent ? spaces : giveUp();
      if (spaces < indent) {
        if (spaces > parent) giveUp();
        break;
      }
      lines.push(line.slice(indent));
    }
    while (lines.at(-1) === "") lines.pop();
    if (lines.length === 0) giveUp();
    return lines.join("\n") + (strip ? "" : "\n");
  }
}

function indentOf(line: string): number {
  let at = 0;
  while (line.charCodeAt(at) === 32) at++;
  return at;
}

function inlineValue(text: string, depth: number): Plain {
  switch (text[0]) {
    case '"':
      return (DOUBLE_QUOTED.exec(text)?.[1] ?? giveUp()).replace(/\\(.)/g, (_, letter: string) => (letter === "n" ? "\n" : letter === "t" ? "\t" : letter));
    case "'":
      return (SINGLE_QUOTED.exec(text)?.[1] ?? giveUp()).replaceAll("''", "'");
    case "[":
    case "{": {
      const flow = new Flow(text);
      const value = flow.value(depth + 1);
      return /^(?: *$| +#.*$)/.test(flow.rest()) ? value : giveUp();
    }
    default: {
      const comment = text.indexOf(" #");
      const scalar = (comment === -1 ? text : text.slice(0, comment)).trimEnd();
      return scalar.includes(": ") || scalar.endsWith(":") ? giveUp() : plainScalar(scalar);
    }
  }
}

/** The words and numbers on whose meaning every YAML agrees; other texts that look like one are left to the complete parser. */
function plainScalar(text: string): Plain {
  if (text === "true") return true;
  if (text === "false") return false;
  if (text === "null" || text === "~") return null;
  if (INTEGER.test(text)) return Number(text);
  return PLAIN_FIRST.test(text) && !WORDS.test(text) ? text : giveUp();
}

/** One flow collection on one line. */
class Flow {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  rest(): string {
    return this.#text.slice(this.#at);
  }

  value(depth: number): Plain {
    if (depth > DEPTH_MAX) giveUp();
    switch (this.#text[this.#at]) {
      case "[":
        return this.#list(depth);
      case "{":
        return this.#map(depth);
      case '"':
      case "'":
        return this.#quoted();
      default:
        return plainScalar(this.#word());
    }
  }

  #skip(): string | undefined {
    while (this.#text[this.#at] === " ") this.#at++;
    return this.#text[this.#at];
  }

  #list(depth: number): Plain[] {
    const list: Plain[] = [];
    this.#at++;
    if (this.#skip() === "]") this.#at++;
    else
      for (;;) {
        this.#skip();
        list.push(this.value(depth + 1));
        const end = this.#skip();
        this.#at++;
        if (end === "]") break;
        if (end !== ",") giveUp();
      }
    return list;
  }

  #map(depth: number): PlainMap {
    const map: PlainMap = Object.create(null);
    this.#at++;
    if (this.#skip() === "}") this.#at++;
    else
      for (;;) {
        const first = this.#skip();
        const key = first === '"' || first === "'" ? this.#quoted() : this.#word();
        if (key === "" || key === "__proto__" || key in map || WORDS.test(key) || !/^[A-Za-z_/"']/.test(first ?? "")) giveUp();
        if (this.#text.slice(this.#at, this.#at + 2) !== ": ") giveUp();
        this.#at += 2;
        this.#skip();
        map[key] = this.value(depth + 1);
        const end = this.#skip();
        this.#at++;
        if (end === "}") break;
        if (end !== ",") giveUp();
      }
    return map;
  }

  #quoted(): string {
    const quote = this.#text[this.#at] ?? "";
    const end = this.#text.indexOf(quote, this.#at + 1);
    if (end === -1) giveUp();
    const inner = this.#text.slice(this.#at + 1, end);
    if (inner.includes("\\") || this.#text[end + 1] === quote) giveUp();
    this.#at = end + 1;
    return inner;
  }

  #word(): string {
    const start = this.#at;
    while (FLOW_PLAIN.test(this.#text[this.#at] ?? "")) this.#at++;
    const word = this.#text.slice(start, this.#at).trimEnd();
    return word === "" || word.startsWith("-") || word.startsWith("%") || word.startsWith("@") ? giveUp() : word;
  }
}
