import * as z from "zod/mini";
import { described, seconds } from "../fields.ts";
import { MINUTE_MS, opKind, SECOND_MS } from "../op-kind.ts";

const schema = z.strictObject({
  grace_s: described(z._default(seconds(0, 3_600), 120), "So long the guest may take to shut itself down; then it is cut off."),
});

export const guestStop = opKind({
  kind: "guest.stop",
  class: "change",
  summary: "Shuts a guest down, and cuts it off when that takes too long.",
  aims: "guest",
  schema,
  describe: ({ grace_s }) => [`shut the guest down, and cut it off after ${grace_s} s`],
  offline: "hold",
  exclusive: true,
  idempotent: true,
  timeoutMs: ({ grace_s }) => 10 * MINUTE_MS + grace_s * SECOND_MS,
  unsignedByDefault: false,
  example: { grace_s: 60 },
});
