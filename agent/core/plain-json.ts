/**
 * Reading JSON without a schema library, for the resident only: zod costs it ten megabytes (measured), a quarter of its whole
 * budget. What decides anything is checked again, strictly, by the worker; here it is enough that a value has the shape the
 * code relies on. Every decoder returns `undefined` for what it does not understand, and never repairs.
 */
import type { Envelope } from "../../shared/protocol/fields.ts";

export type Plain = Readonly<Record<string, unknown>>;

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
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

/** The form only. Who signed it is the worker's question. */
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
