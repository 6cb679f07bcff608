import * as z from "zod/mini";
import { text } from "./fields.ts";

/** RFC 9457 problem details, `application/problem+json`. `code` is a `FaultCode` or a refusal code; `remedy` is what to do next. */
export const problem = z.object({
  type: text(256),
  title: text(256),
  status: z.int(),
  code: text(64),
  detail: z.optional(text(2_048)),
  remedy: z.optional(text(512)),
  retry_after_s: z.optional(z.number()),
});
export type Problem = z.infer<typeof problem>;
