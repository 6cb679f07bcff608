/**
 * A cursor is opaque to clients: base64url of a JSON array of the last row's sort keys, bound to the list it came from. It
 * grants nothing (every page is authorised by itself) and is parsed as hostile: bounded, typed, and refused rather than guessed.
 */
import { base64url, fromBase64url, fromUtf8, utf8 } from "../../../shared/core/bytes.ts";
import { Fault } from "../../../shared/core/fault.ts";

export type CursorKey = string | number;

export const PAGE_LIMIT_MAX = 500;
export const PAGE_LIMIT_DEFAULT = 100;
const CURSOR_CHARS_MAX = 256;

export function encodeCursor(list: string, keys: readonly CursorKey[]): string {
  return base64url(utf8(JSON.stringify([list, ...keys])));
}

/** `kinds` names the type of each key, in order. Throws `bad_request`. */
export function decodeCursor(list: string, kinds: readonly ("string" | "number")[], cursor: string): readonly CursorKey[] {
  const keys = cursor.length <= CURSOR_CHARS_MAX ? parse(cursor) : undefined;
  const fits = keys !== undefined && keys[0] === list && keys.length === kinds.length + 1;
  const rest = fits ? keys.slice(1) : [];
  const typed = rest.filter((key): key is CursorKey => typeof key === "string" || (typeof key === "number" && Number.isSafeInteger(key)));
  if (!fits || typed.length !== rest.length || !typed.every((key, at) => typeof key === kinds[at])) {
    throw new Fault("bad_request", "Cannot continue the list: the cursor is not one that this list gave", { remedy: "Start again without a cursor" });
  }
  return typed;
}

function parse(cursor: string): readonly unknown[] | undefined {
  const bytes = fromBase64url(cursor);
  if (bytes === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(fromUtf8(bytes));
    return Array.isArray(value) ? value : undefined;
  } catch {
    return undefined; // not JSON or not UTF-8: the caller refuses it by name
  }
}
