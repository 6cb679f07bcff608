/** `identity/enrollment.json`: how far an enrollment has come, so that it survives a restart of the command or of the machine. */
import * as z from "zod/mini";
import { fromUtf8, utf8 } from "../../../shared/core/bytes.ts";
import { isFault } from "../../../shared/core/fault.ts";
import { durableWrite } from "../../../shared/edge/durable-write.ts";
import { counter, name, text } from "../../../shared/protocol/fields.ts";
import type { World } from "../../../shared/ports/world.ts";
import { paths } from "../../core/desired/paths.ts";
import type { Enrollment } from "../../core/enroll/enrollment.ts";

const common = { urls: counter, urlAt: counter, isPinned: z.boolean(), failures: counter, challengeTries: counter };
const state = z.discriminatedUnion("at", [
  z.object({ ...common, at: z.literal("asking") }),
  z.object({ ...common, at: z.literal("submitting"), challengeId: text(128), nonce: text(128) }),
  z.object({ ...common, at: z.literal("pending"), requestId: text(128), pollMs: counter }),
  z.object({ ...common, at: z.literal("verifying"), requestId: text(128) }),
  z.object({ ...common, at: z.literal("enrolled") }),
  z.object({ ...common, at: z.literal("rejected"), because: text(1_024) }),
  z.object({ ...common, at: z.literal("failed"), code: text(64), because: text(4_096) }),
]) satisfies z.ZodMiniType<Enrollment>;

export const enrollFile = z.object({
  v: z.literal(1),
  urls: z.array(text(512)).check(z.minLength(1), z.maxLength(16)),
  /** May hold a grant's token: the file is 0600, and the code leaves it when the box is enrolled. */
  join: text(4_096),
  name,
  state,
});
export type EnrollFile = z.infer<typeof enrollFile>;

/** A damaged file means beginning anew with the same keys: that is safe, and the hub sees the same host. */
export function readEnrollFile(world: World, dataDir: string): EnrollFile | undefined {
  try {
    const parsed = z.safeParse(enrollFile, JSON.parse(fromUtf8(world.files.read("enroll.load", paths(dataDir).enrollment, { bytesMax: 64 * 1024 }))));
    return parsed.success ? parsed.data : undefined;
  } catch (error) {
    if (isFault(error, "file_missing") || error instanceof SyntaxError || error instanceof TypeError) return undefined;
    throw error;
  }
}

export function writeEnrollFile(world: World, dataDir: string, value: EnrollFile): void {
  durableWrite(world.files, world.crypto, "enroll.save", paths(dataDir).enrollment, utf8(`${JSON.stringify(value, null, 2)}\n`), { mode: 0o600 });
}
