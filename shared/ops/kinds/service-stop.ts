import * as z from "zod/mini";
import { described, serviceName } from "../fields.ts";
import { MINUTE_MS, opKind } from "../op-kind.ts";

const schema = z.strictObject({ name: described(serviceName, "The service; without a suffix it is a `.service` unit.") });

export const serviceStop = opKind({
  kind: "service.stop",
  class: "change",
  summary: "Stops a service until it is started again. It is not disabled.",
  aims: "host",
  schema,
  describe: ({ name }) => [`stop the service ${name}`],
  offline: "hold",
  exclusive: true,
  idempotent: true,
  timeoutMs: () => 5 * MINUTE_MS,
  unsignedByDefault: false,
  example: { name: "nginx" },
});
