import * as z from "zod/mini";
import { absolutePath, count, described } from "../fields.ts";
import { MINUTE_MS, opKind } from "../op-kind.ts";

const schema = z.strictObject({
  path: described(absolutePath, "A regular file; a symlink is not followed."),
  offset: described(z._default(count(0, Number.MAX_SAFE_INTEGER), 0), "Where to begin, in bytes."),
  bytes_max: described(z._default(count(1, 8 * 1_024 * 1_024), 1_024 * 1_024), "At most so many bytes come back."),
});

export const fileGet = opKind({
  kind: "file.get",
  class: "read",
  summary: "Returns a file's bytes, mode and owner. Always signed: what comes back passes through the hub.",
  aims: "host",
  schema,
  describe: ({ path, offset, bytes_max }) => [
    `return at most ${bytes_max} bytes of ${path}${offset === 0 ? "" : ` from byte ${offset}`}`,
    "the hub can read what comes back",
  ],
  offline: "hold",
  exclusive: false,
  idempotent: true,
  timeoutMs: () => 5 * MINUTE_MS,
  unsignedByDefault: false,
  example: { path: "/etc/os-release" },
});
