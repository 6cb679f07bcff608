import * as z from "zod/mini";
import { text } from "../fields.ts";

export const API_VERSION = "felhom/v1";
/** Lists are `?limit=1…500&cursor=…`; `next` is absent on the last page. Every body carries `apiVersion` and `kind`. */
export const page = <K extends string, T extends z.ZodMiniType>(kind: K, item: T) =>
  z.object({ apiVersion: z.literal(API_VERSION), kind: z.literal(kind), items: z.array(item), next: z.optional(text(256)) });
export const one = <K extends string, T extends z.ZodMiniType>(kind: K, item: T) =>
  z.object({ apiVersion: z.literal(API_VERSION), kind: z.literal(kind), item });
