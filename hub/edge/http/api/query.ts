/** Query parameters of lists: strings on the wire, typed and bounded once here, in the form that OpenAPI can show. */
import * as z from "zod/mini";
import { hostId, opaqueId } from "../../../../shared/protocol/fields.ts";
import { type CursorKey, decodeCursor, encodeCursor, PAGE_LIMIT_DEFAULT, PAGE_LIMIT_MAX } from "../../../core/page/cursor.ts";

const DECIMAL = /^(?:0|[1-9][0-9]{0,15})$/;

/** A whole number in decimal. `transform` is on the way in, so the wire form (a string) is what the API description shows. */
export const queryInt = (min: number, max: number) =>
  z.pipe(z.pipe(z.string().check(z.regex(DECIMAL)), z.transform(Number)), z.int().check(z.minimum(min), z.maximum(max)));

export const pageQuery = { limit: z.optional(queryInt(1, PAGE_LIMIT_MAX)), cursor: z.optional(z.string().check(z.maxLength(256))) };

/** Path parameters arrive as text: what has not the form of an id names nothing. */
export const isHostIdText = (text: string): boolean => hostId.safeParse(text).success;
export const isOpaqueId = (text: string): boolean => opaqueId.safeParse(text).success;

export interface PageAsk {
  readonly limit?: number | undefined;
  readonly cursor?: string | undefined;
}

export interface Page<Row> {
  readonly rows: readonly Row[];
  readonly next: string | undefined;
}

/** Reads one row more than asked, which says whether there is a next page. */
export function readPage<Row>(
  list: string,
  ask: PageAsk,
  kinds: readonly ("string" | "number")[],
  read: (after: readonly CursorKey[] | undefined, limit: number) => readonly Row[],
  keys: (row: Row) => readonly CursorKey[],
): Page<Row> {
  const limit = ask.limit ?? PAGE_LIMIT_DEFAULT;
  const after = ask.cursor === undefined ? undefined : decodeCursor(list, kinds, ask.cursor);
  const rows = read(after, limit + 1);
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return { rows: shown, next: rows.length > limit && last !== undefined ? encodeCursor(list, keys(last)) : undefined };
}
