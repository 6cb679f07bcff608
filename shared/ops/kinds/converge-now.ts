import * as z from "zod/mini";
import { HOUR_MS, opKind } from "../op-kind.ts";

const schema = z.strictObject({});

export const convergeNow = opKind({
  kind: "converge.now",
  class: "change",
  summary: "Starts a converge run now, also outside the windows and while converging is paused.",
  aims: "host",
  schema,
  describe: () => ["bring the box to its published state now, also outside its windows"],
  offline: "replace",
  exclusive: true,
  idempotent: true,
  timeoutMs: () => HOUR_MS,
  unsignedByDefault: false,
  example: {},
});
