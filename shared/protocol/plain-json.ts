/**
 * Reading JSON without a schema library: for the resident agent, which zod would cost ten megabytes (measured), a quarter of its whole
 * budget, and whose worker checks again, strictly, what decides anything; and for what a hub is sent thousands of times a second.
 * Every decoder returns `undefined` for what it does not understand, and never repairs.
 */
import type { Envelope } from "./fields.ts";

export type Plain = Readonly<Record<string, unknown>>;

/** Nothing a hub says nests as deep as this. The platform's parser takes hundreds of megabytes for a few million brackets before it gives up (measured). */
const DEPTH_MAX = 64;

export function parseJson(text: string): unknown {
  if (isTooDeep(text)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Brackets outside strings, however wrong the rest is: what is no JSON at all is left to the parser. */
function isTooDeep(text: string): boolean {
  let depth = 0;
  let inString = false;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (inString) {
      if (code === 0x5c) at += 1;
      else if (code === 0x22) inString = false;
    } else if (code === 0x22) inString = true;
    else if (code === 0x5b || code === 0x7b) {
      depth += 1;
      if (depth > DEPTH_MAX) return true;
    } else if (code === 0x5d || code === 0x7d) depth -= 1;
  }
  return false;
}

export function isPlain(value: unknown): value is Plain {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isText(value: unknown, max: number): value is string {
  return typeof value === "string" && value.length <= max;
}

export function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

export function isList<T>(value: unknown, max: number, is: (item: unknown) => item is T): value is T[] {
  return Array.isArray(value) && value.length <= max && value.every(is);
}

const ENVELOPE_CHARS_MAX = 8 * 1024 * 1024;
const SIGNATURES_MAX = 16;

/** The form only, as the schema `envelope` has it. Who signed it is another question. */
export function isEnvelope(value: unknown): value is Envelope {
  return (
    isPlain(value) &&
    isText(value["payload"], ENVELOPE_CHARS_MAX) &&
    isText(value["payloadType"], 128) &&
    isList(value["signatures"], SIGNATURES_MAX, isSignature) &&
    value["signatures"].length > 0
  );
}

function isSignature(value: unknown): value is Envelope["signatures"][number] {
  return isPlain(value) && isText(value["keyid"], 64) && isText(value["sig"], 128);
}
