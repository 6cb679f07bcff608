import * as z from "zod/mini";
import { fromBase64 } from "../../core/bytes.ts";
import { sha256Hex } from "../../core/sha256.ts";
import { text } from "../../protocol/fields.ts";
import { PAYLOAD_BYTES_MAX, payloadType, rootPayload, ROLES } from "../../trust/payloads.ts";
import { parseStrict } from "../../trust/strict-json.ts";
import { described } from "../fields.ts";
import { MINUTE_MS, opKind } from "../op-kind.ts";

const root = z.strictObject({
  payload: text(Math.ceil(PAYLOAD_BYTES_MAX.root / 3) * 4),
  payloadType: z.literal(payloadType("root")),
  signatures: z.array(z.strictObject({ keyid: text(64), sig: text(128) })).check(z.minLength(1), z.maxLength(16)),
});
const schema = z.strictObject({
  roots: described(
    z.array(root).check(z.minLength(1), z.maxLength(8)),
    "The versions after the one in force, each signed by the one before and by its own keys.",
  ),
});

/** A way to bring a root to a box that no hub reaches. The chain decides, as always; this op's own signature adds nothing to it. */
export const trustAcceptRoot = opKind({
  kind: "trust.accept-root",
  class: "change",
  summary: "Brings newer versions of the trust root to a host. They count only by their own chain of signatures.",
  aims: "host",
  schema,
  describe: ({ roots }) => roots.flatMap(({ payload }) => describeRoot(payload)),
  offline: "replace",
  exclusive: true,
  idempotent: true,
  timeoutMs: () => MINUTE_MS,
  unsignedByDefault: false,
  example: { roots: [{ payload: "e30=", payloadType: payloadType("root"), signatures: [{ keyid: "aaaaaaaaaaaaaaaaaaaaaaaaaa", sig: "AA==" }] }] },
});

function describeRoot(payload: string): readonly string[] {
  const bytes = fromBase64(payload) ?? new Uint8Array();
  const parsed = parseStrict(rootPayload, bytes, "root");
  if (!parsed.ok) return [`a root that can't be read (${parsed.refusal}), sha256 ${sha256Hex(bytes)}: every host will refuse it`];
  const { version, keys, roles } = parsed.value;
  return [
    `take root version ${version}, sha256 ${sha256Hex(bytes)}`,
    ...Object.entries(keys).map(([id, { label }]) => `  key ${id} ${label}`),
    ...ROLES.map((role) => `  ${role}: ${roles[role].threshold} of ${roles[role].keys.join(", ")}`),
  ];
}
