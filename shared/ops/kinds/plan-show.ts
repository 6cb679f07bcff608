import * as z from "zod/mini";
import { MINUTE_MS, opKind } from "../op-kind.ts";

const schema = z.strictObject({});

export const planShow = opKind({
  kind: "plan.show",
  class: "read",
  summary: "Plans what a converge run would do now, and answers with the plan as text.",
  aims: "host",
  schema,
  describe: () => ["plan against the box as it is now and return the plan; nothing of it is carried out"],
  offline: "drop",
  exclusive: false,
  idempotent: true,
  timeoutMs: () => 5 * MINUTE_MS,
  unsignedByDefault: true,
  example: {},
});
