import * as z from "zod/mini";
import { described } from "../fields.ts";
import { MINUTE_MS, opKind } from "../op-kind.ts";

const schema = z.strictObject({
  key: described(z.literal("box"), "The key that secrets are sealed to. The signing key is the host's identity: for a new one the host enrolls again."),
});

/**
 * The box answers with its new public key, signed with the key that is its identity; the new key counts when an operator with the
 * role `admit` signed a certificate for it. A stolen key alone can't bring in its own successor.
 */
export const hostRekey = opKind({
  kind: "host.rekey",
  class: "destroy",
  summary: "Has the host make a new key for its secrets, which an operator then certifies.",
  aims: "host",
  schema,
  describe: () => ["make a new box key; secrets reach the host again when its new certificate is signed and the next bundle is published"],
  offline: "hold",
  exclusive: true,
  idempotent: false,
  timeoutMs: () => MINUTE_MS,
  unsignedByDefault: false,
  example: { key: "box" },
});
