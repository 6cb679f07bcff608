import { API_VERSION } from "../../../../shared/protocol/api/page.ts";

/** Bodies of the operator API: every one says its version and kind. */
export const pageBody = <T>(kind: string, items: readonly T[], next: string | undefined) => ({
  apiVersion: API_VERSION,
  kind,
  items,
  ...(next === undefined ? {} : { next }),
});
export const oneBody = <T>(kind: string, item: T) => ({ apiVersion: API_VERSION, kind, item });
