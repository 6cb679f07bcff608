import * as z from "zod/mini";
import { fromBase64 } from "../../core/bytes.ts";
import { sha256Hex } from "../../protocol/fields.ts";
import { contentLines } from "../describe.ts";
import { absolutePath, base64Bytes, described, mode, principal } from "../fields.ts";
import { MINUTE_MS, opKind } from "../op-kind.ts";

export const FILE_PUT_BYTES_MAX = 512 * 1_024;
const schema = z.strictObject({
  path: described(absolutePath, "Where it is put, whole or not at all. The directory must be there; a symlink is not followed."),
  content: described(base64Bytes(FILE_PUT_BYTES_MAX), "The bytes, in base64: they are part of what is signed."),
  mode: described(z._default(mode, "0644"), "Octal, as text."),
  owner: z.optional(described(principal, "Default: who owns it now, or the agent's user.")),
  group: z.optional(described(principal, "Default: the group it has now, or the agent's.")),
  only_if: z.optional(described(z.union([sha256Hex, z.literal("absent")]), "Only where the file has this SHA-256 now, or is not there.")),
});

export const filePut = opKind({
  kind: "file.put",
  class: "change",
  summary: "Writes a file whose bytes are inside the signed op.",
  aims: "host",
  schema,
  describe: ({ path, content, mode: bits, owner, group, only_if }) => [
    `write ${path}, mode ${bits}, owner ${owner ?? "as it is"}, group ${group ?? "as it is"}`,
    ...(only_if === undefined ? [] : [only_if === "absent" ? "only if it is not there" : `only if it is now the file with sha256 ${only_if}`]),
    ...contentLines("content", fromBase64(content) ?? new Uint8Array()),
  ],
  offline: "hold",
  exclusive: true,
  idempotent: true,
  timeoutMs: () => MINUTE_MS,
  unsignedByDefault: false,
  example: { path: "/etc/motd", content: "V2VsY29tZQo=", mode: "0644" },
});
