import * as z from "zod/mini";
import { described, seconds } from "../fields.ts";
import { MINUTE_MS, opKind, SECOND_MS } from "../op-kind.ts";

const schema = z.strictObject({
  grace_s: described(z._default(seconds(0, 3_600), 120), "So long the guest may take to shut itself down; then it is cut off."),
});

export const guestRestart = opKind({
  kind: "guest.restart",
  class: "change",
  summary: "Restarts a guest.",
  aims: "guest",
  schema,
  describe: ({ grace_s }) => [`restart the guest, and cut it off if it is not down after ${grace_s} s`],
  offline: "hold",
  exclusive: true,
  idempotent: false,
  timeoutMs: ({ grace_s }) => 10 * MINUTE_MS + grace_s * SECOND_MS,
  unsignedByDefault: false,
  example: { grace_s: 60 },
});
