import * as z from "zod/mini";
import { described, serviceName } from "../fields.ts";
import { MINUTE_MS, opKind } from "../op-kind.ts";

const schema = z.strictObject({ name: described(serviceName, "The service; without a suffix it is a `.service` unit.") });

export const serviceRestart = opKind({
  kind: "service.restart",
  class: "change",
  summary: "Restarts a service.",
  aims: "host",
  schema,
  describe: ({ name }) => [`restart the service ${name}`],
  offline: "hold",
  exclusive: true,
  idempotent: false,
  timeoutMs: () => 5 * MINUTE_MS,
  unsignedByDefault: false,
  example: { name: "nginx" },
});
