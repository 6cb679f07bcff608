import * as z from "zod/mini";
import { described, seconds } from "../fields.ts";
import { opKind, SECOND_MS } from "../op-kind.ts";

const schema = z.strictObject({
  delay_s: described(z._default(seconds(0, 3_600), 5), "Wait so long first, so that the answer gets out."),
});

/** `destroy`: nobody far away can undo it. */
export const hostShutdown = opKind({
  kind: "host.shutdown",
  class: "destroy",
  summary: "Switches the host off. Somebody has to switch it on again on the spot.",
  aims: "host",
  schema,
  describe: ({ delay_s }) => [`switch the host off, ${delay_s} s after it took this op`, "felhom cannot switch it on again"],
  offline: "drop",
  exclusive: true,
  idempotent: false,
  timeoutMs: ({ delay_s }) => (delay_s + 120) * SECOND_MS,
  unsignedByDefault: false,
  example: { delay_s: 10 },
});
