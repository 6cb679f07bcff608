import * as z from "zod/mini";
import { described } from "../fields.ts";
import { opKind, SECOND_MS } from "../op-kind.ts";

const factPath = z.string().check(z.regex(/^[a-z][a-z0-9_]{0,63}(?:\.[A-Za-z0-9_-]{1,64}){0,7}$/, { message: "is not a fact's path" }));
const schema = z.strictObject({
  paths: z.optional(described(z.array(factPath).check(z.minLength(1), z.maxLength(64)), "Only these, as `os.family`. Default: all facts.")),
});

export const factsGet = opKind({
  kind: "facts.get",
  class: "read",
  summary: "Collects facts now and answers with them.",
  aims: "host",
  schema,
  describe: ({ paths }) => [paths === undefined ? "collect and return all facts" : `collect and return the facts ${paths.join(", ")}`],
  offline: "drop",
  exclusive: false,
  idempotent: true,
  timeoutMs: () => 60 * SECOND_MS,
  unsignedByDefault: true,
  example: { paths: ["os.family", "memory.total_mb"] },
});
