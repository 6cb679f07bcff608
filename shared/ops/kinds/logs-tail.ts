import * as z from "zod/mini";
import { count, described, seconds, serviceName } from "../fields.ts";
import { opKind, SECOND_MS } from "../op-kind.ts";

const schema = z.strictObject({
  unit: z.optional(described(serviceName, "Whose log. Default: the agent's own.")),
  lines: described(z._default(count(1, 5_000), 200), "The last so many lines."),
  since_s: z.optional(described(seconds(1, 2_592_000), "Nothing older than so many seconds.")),
  follow_s: z.optional(described(seconds(1, 600), "Keep sending what comes for so many seconds.")),
});

export const logsTail = opKind({
  kind: "logs.tail",
  class: "read",
  summary: "Returns the end of a service's log, and what comes after for a while.",
  aims: "host",
  schema,
  describe: ({ unit, lines, since_s, follow_s }) => [
    `return the last ${lines} lines of ${unit === undefined ? "the agent's own log" : `the log of ${unit}`}`,
    ...(since_s === undefined ? [] : [`nothing older than ${since_s} s`]),
    ...(follow_s === undefined ? [] : [`and what comes in the next ${follow_s} s`]),
    "the hub can read what comes back",
  ],
  offline: "drop",
  exclusive: false,
  idempotent: true,
  timeoutMs: ({ follow_s }) => ((follow_s ?? 0) + 60) * SECOND_MS,
  unsignedByDefault: false,
  example: { unit: "nginx.service", lines: 100 },
});
