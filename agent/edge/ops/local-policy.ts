import { isFault } from "../../../shared/core/fault.ts";
import type { World } from "../../../shared/ports/world.ts";
import { damagedPolicy, type LocalPolicy, parsePolicy, POLICY_BYTES_MAX, POLICY_PATH } from "../../core/ops/policy.ts";

export interface ReadPolicy {
  /** The same while the file is. */
  readonly key: string;
  readonly value: LocalPolicy;
}

/** This box's own policy. One that can't be read is `damaged`, never none; the same file is not read twice. */
export async function readLocalPolicy(world: Pick<World, "files">, before?: ReadPolicy, path = POLICY_PATH): Promise<ReadPolicy> {
  try {
    const stat = world.files.stat("policy.read", path, { follow: true });
    const key = stat === undefined ? "none" : `${stat.device}/${stat.inode}/${stat.size}/${stat.mtimeMs}`;
    if (before?.key === key) return before;
    const text =
      stat === undefined
        ? undefined
        : new TextDecoder("utf-8", { fatal: true }).decode(world.files.read("policy.read", path, { bytesMax: POLICY_BYTES_MAX, follow: true }));
    return { key, value: await parsePolicy(text) };
  } catch (error) {
    if (isFault(error, "disk_failed")) throw error;
    return { key: "unread", value: damagedPolicy(isFault(error) ? error.code : "it is not UTF-8") };
  }
}
