import * as z from "zod/mini";
import { opKind, SECOND_MS } from "../op-kind.ts";

const schema = z.strictObject({});

export const ping = opKind({
  kind: "ping",
  class: "read",
  summary: "Asks a host for a signed sign of life: its version, its uptime and what it holds.",
  aims: "host",
  schema,
  describe: () => ["answer, and change nothing"],
  offline: "drop",
  exclusive: false,
  idempotent: true,
  timeoutMs: () => 10 * SECOND_MS,
  unsignedByDefault: true,
  example: {},
});
