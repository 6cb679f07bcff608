/**
 * JSON as signed payloads may use it. `JSON.parse` keeps the last of two equal keys, rounds large numbers and lets lone
 * surrogates through, each without a word: two readers of one signed text could then see two meanings. This scanner reads
 * the same grammar (RFC 8259) and refuses all of that, with a code per reason. It must never repair anything.
 *
 * Order: size, UTF-8, grammar (depth, duplicate keys, exact numbers), the payload's own `v`, the schema.
 */
import * as z from "zod/mini";
import { fromUtf8 } from "../core/bytes.ts";
import { PAYLOAD_BYTES_MAX, type PayloadType } from "./payloads.ts";
import { accept, type Refusal, refuse, type Verdict } from "./verdict.ts";

export const JSON_DEPTH_MAX = 32;
/** The only payload version there is so far. */
export const PAYLOAD_VERSION = 1;

/** The whole way from signed bytes to a typed payload. Call it only on bytes whose signatures were verified. */
export function parseStrict<T>(schema: z.ZodMiniType<T>, payload: Uint8Array, type: PayloadType): Verdict<T> {
  return parseVersioned(schema, payload, PAYLOAD_BYTES_MAX[type]);
}

/** The same for payloads outside envelopes, such as what is inside a sealed box. */
export function parseVersioned<T>(schema: z.ZodMiniType<T>, payload: Uint8Array, bytesMax: number): Verdict<T> {
  const json = scanJson(payload, bytesMax);
  if (!json.ok) return json;
  if (typeof json.value !== "object" || json.value === null || Array.isArray(json.value)) return refuse("payload_schema", "the payload is not an object");
  if (!("v" in json.value) || json.value.v !== PAYLOAD_VERSION) return refuse("payload_bad_version", `only version ${PAYLOAD_VERSION} is known`);
  const parsed = z.safeParse(schema, json.value);
  if (parsed.success) return accept(parsed.data);
  const issue = parsed.error.issues[0];
  return refuse(
    "payload_schema",
    issue === undefined ? "" : `at ${issue.path.length === 0 ? "the top" : issue.path.map(String).join(".").slice(0, 200)}: ${issue.code}`,
  );
}

/** Bytes to plain data: objects without prototype, arrays, strings, numbers, booleans, null. */
export function scanJson(bytes: Uint8Array, bytesMax: number): Verdict<unknown> {
  if (bytes.byteLength > bytesMax) return refuse("envelope_too_large", `${bytes.byteLength} bytes, at most ${bytesMax} are allowed`);
  let text: string;
  try {
    text = fromUtf8(bytes);
  } catch {
    return refuse("payload_not_utf8", "malformed UTF-8");
  }
  if (text.startsWith("\uFEFF")) return refuse("payload_not_utf8", "byte-order mark");
  const scan: Scan = { text, at: 0 };
  try {
    skipSpace(scan);
    const value = scanValue(scan, 1);
    skipSpace(scan);
    if (scan.at !== text.length) return refuse("payload_not_json", `unexpected character at ${scan.at}`);
    return accept(value);
  } catch (error) {
    if (error instanceof Refused) return refuse(error.refusal, error.detail);
    throw error;
  }
}

interface Scan {
  readonly text: string;
  at: number;
}

/** Leaves the recursion at the first refusal; it never leaves this file. */
class Refused extends Error {
  readonly refusal: Refusal;
  readonly detail: string;
  constructor(refusal: Refusal, detail: string) {
    super(refusal);
    this.refusal = refusal;
    this.detail = detail;
  }
}

function scanValue(scan: Scan, depth: number): unknown {
  if (depth > JSON_DEPTH_MAX) throw new Refused("payload_too_deep", `deeper than ${JSON_DEPTH_MAX} levels at ${scan.at}`);
  switch (scan.text.charAt(scan.at)) {
    case "{":
      return scanObject(scan, depth);
    case "[":
      return scanArray(scan, depth);
    case '"':
      return scanString(scan);
    case "t":
      return scanWord(scan, "true", true);
    case "f":
      return scanWord(scan, "false", false);
    case "n":
      return scanWord(scan, "null", null);
    default:
      return scanNumber(scan);
  }
}

function scanObject(scan: Scan, depth: number): Record<string, unknown> {
  const object: Record<string, unknown> = Object.create(null);
  scan.at += 1;
  skipSpace(scan);
  if (takeIf(scan, "}")) return object;
  for (;;) {
    const key = scanString(scan);
    // Schemas copy into ordinary objects, where this one key would vanish without a word.
    if (key === "__proto__") throw new Refused("payload_schema", "the key __proto__ is not allowed");
    if (Object.hasOwn(object, key)) throw new Refused("payload_duplicate_key", `a second ${JSON.stringify(key.slice(0, 64))} before ${scan.at}`);
    skipSpace(scan);
    take(scan, ":");
    skipSpace(scan);
    object[key] = scanValue(scan, depth + 1);
    skipSpace(scan);
    if (takeIf(scan, "}")) return object;
    take(scan, ",");
    skipSpace(scan);
  }
}

function scanArray(scan: Scan, depth: number): unknown[] {
  const array: unknown[] = [];
  scan.at += 1;
  skipSpace(scan);
  if (takeIf(scan, "]")) return array;
  for (;;) {
    array.push(scanValue(scan, depth + 1));
    skipSpace(scan);
    if (takeIf(scan, "]")) return array;
    take(scan, ",");
    skipSpace(scan);
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** What makes a string more than the characters between its quotes. */
const SPECIAL = /[\\\u0000-\u001f]/;

function scanString(scan: Scan): string {
  take(scan, '"');
  const from = scan.at;
  const { text } = scan;
  // Nearly every string ends at the next quote and is what it looks like.
  const quote = text.indexOf('"', from);
  const plain = quote < 0 ? "" : text.slice(from, quote);
  const isPlain = quote >= 0 && !SPECIAL.test(plain);
  scan.at = isPlain ? quote : endOfString(text, from);
  const inner = isPlain ? plain : text.slice(from, scan.at);
  scan.at += 1;
  const value = isPlain ? inner : unescape(inner, from);
  if (!value.isWellFormed()) throw new Refused("payload_not_utf8", `lone surrogate in the string at ${from}`);
  return value;
}

/** Where its closing quote is. */
function endOfString(text: string, from: number): number {
  for (let at = from; ; at += 1) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) return at;
    if (code === BACKSLASH) at += 1;
    else if (Number.isNaN(code) || code < 0x20) throw new Refused("payload_not_json", `unfinished string at ${from}`);
  }
}

function unescape(inner: string, from: number): string {
  try {
    return String(JSON.parse(`"${inner}"`));
  } catch {
    throw new Refused("payload_not_json", `bad escape in the string at ${from}`);
  }
}

/** Exact: spelled the one way JSON.stringify spells it, finite, and below 2^53 when whole. So no 1.0, 1e2, -0, 1e400 or 2^53 + 1. */
function scanNumber(scan: Scan): number {
  const whole = smallWhole(scan);
  if (whole !== undefined) return whole;
  const grammar = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
  grammar.lastIndex = scan.at;
  const spelled = grammar.exec(scan.text)?.[0];
  if (spelled === undefined) throw new Refused("payload_not_json", `unexpected character at ${scan.at}`);
  const value = Number(spelled);
  if (String(value) !== spelled || (Number.isInteger(value) && !Number.isSafeInteger(value))) {
    throw new Refused("payload_unsafe_number", `the number at ${scan.at} is not exact`);
  }
  scan.at += spelled.length;
  return value;
}

/** Fifteen digits are always below 2^53. */
const DIGITS_MAX = 15;

/** Digits alone, as nearly every number is; nothing for any other spelling, and nothing is taken then. */
function smallWhole(scan: Scan): number | undefined {
  const { text, at } = scan;
  let value = 0;
  let digits = 0;
  for (; digits <= DIGITS_MAX; digits += 1) {
    const digit = text.charCodeAt(at + digits) - 0x30;
    // At the end of the text it is not a number, and no digit either.
    if (!(digit >= 0 && digit <= 9)) break;
    value = value * 10 + digit;
  }
  const next = text.charCodeAt(at + digits);
  const goesOn = next === 0x2e || next === 0x65 || next === 0x45;
  if (digits === 0 || digits > DIGITS_MAX || goesOn || (digits > 1 && text.charCodeAt(at) === 0x30)) return undefined;
  scan.at += digits;
  return value;
}

function scanWord<T>(scan: Scan, word: string, value: T): T {
  if (!scan.text.startsWith(word, scan.at)) throw new Refused("payload_not_json", `unexpected character at ${scan.at}`);
  scan.at += word.length;
  return value;
}

function skipSpace(scan: Scan): void {
  for (;;) {
    const code = scan.text.charCodeAt(scan.at);
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
    scan.at += 1;
  }
}

function takeIf(scan: Scan, character: string): boolean {
  if (scan.text[scan.at] !== character) return false;
  scan.at += 1;
  return true;
}

function take(scan: Scan, character: string): void {
  if (!takeIf(scan, character)) throw new Refused("payload_not_json", `expected ${JSON.stringify(character)} at ${scan.at}`);
}
