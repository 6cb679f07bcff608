import * as z from "zod/mini";
import { described, seconds } from "../fields.ts";
import { opKind, SECOND_MS } from "../op-kind.ts";

const schema = z.strictObject({
  delay_s: described(z._default(seconds(0, 3_600), 5), "Wait so long first, so that the answer gets out."),
});

export const hostReboot = opKind({
  kind: "host.reboot",
  class: "change",
  summary: "Reboots the host.",
  aims: "host",
  schema,
  describe: ({ delay_s }) => [`reboot the host, ${delay_s} s after it took this op`],
  offline: "drop",
  exclusive: true,
  idempotent: false,
  timeoutMs: ({ delay_s }) => (delay_s + 120) * SECOND_MS,
  unsignedByDefault: false,
  example: { delay_s: 10 },
});
