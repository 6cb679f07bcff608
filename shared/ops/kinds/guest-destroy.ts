import * as z from "zod/mini";
import { MINUTE_MS, opKind } from "../op-kind.ts";

const schema = z.strictObject({});

export const guestDestroy = opKind({
  kind: "guest.destroy",
  class: "destroy",
  summary: "Destroys a guest and its disks. Its backups stay.",
  aims: "guest",
  schema,
  describe: () => ["destroy the guest and all of its disks", "its backups stay"],
  offline: "hold",
  exclusive: true,
  idempotent: false,
  timeoutMs: () => 10 * MINUTE_MS,
  unsignedByDefault: false,
  example: {},
});
