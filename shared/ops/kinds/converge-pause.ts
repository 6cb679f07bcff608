import * as z from "zod/mini";
import { durationText } from "../describe.ts";
import { count, described } from "../fields.ts";
import { MINUTE_MS, opKind } from "../op-kind.ts";

const schema = z.strictObject({
  minutes: described(count(0, 43_200), "So long from the moment the op was issued, at most 30 days; 0 ends a pause."),
});

export const convergePause = opKind({
  kind: "converge.pause",
  class: "change",
  summary: "Pauses converging until a time, or ends a pause.",
  aims: "host",
  schema,
  describe: ({ minutes }) => [
    minutes === 0 ? "end a pause: converge again" : `do not converge for ${durationText(minutes * MINUTE_MS)} from when this was issued`,
  ],
  offline: "replace",
  exclusive: false,
  idempotent: true,
  timeoutMs: () => MINUTE_MS,
  unsignedByDefault: false,
  example: { minutes: 60 },
});
