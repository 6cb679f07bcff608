import * as z from "zod/mini";
import { described, packageName } from "../fields.ts";
import { HOUR_MS, opKind } from "../op-kind.ts";

const schema = z.union([
  z.strictObject({
    names: described(z.array(packageName).check(z.minLength(1), z.maxLength(128)), "These packages, and what they need. One that is not installed is refused."),
  }),
  z.strictObject({ all: described(z.literal(true), "Every installed package that has a newer version.") }),
]);

/** Not idempotent: a second run takes what was published in between. */
export const packageUpgrade = opKind({
  kind: "package.upgrade",
  class: "change",
  summary: "Upgrades installed packages to the newest version that the box's package sources offer.",
  aims: "host",
  schema,
  describe: (params) => ["names" in params ? `upgrade the packages ${params.names.join(", ")}` : "upgrade every package that has a newer version"],
  offline: "hold",
  exclusive: true,
  idempotent: false,
  timeoutMs: () => HOUR_MS,
  unsignedByDefault: false,
  example: { names: ["openssl"] },
});
