import * as z from "zod/mini";
import { MINUTE_MS, opKind } from "../op-kind.ts";

const schema = z.strictObject({});

export const guestStart = opKind({
  kind: "guest.start",
  class: "change",
  summary: "Starts a guest.",
  aims: "guest",
  schema,
  describe: () => ["start the guest"],
  offline: "hold",
  exclusive: true,
  idempotent: true,
  timeoutMs: () => 10 * MINUTE_MS,
  unsignedByDefault: false,
  example: {},
});
