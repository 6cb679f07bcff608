/**
 * `identity/membership.json`: which fleet this box belongs to and how it reaches a hub. Written once, last, by an enrollment.
 * It pins root version 1 by hash, so that a box that lost every other document can take the chain from any courier again.
 */
import * as z from "zod/mini";
import { Fault, isFault } from "../../../shared/core/fault.ts";
import { fromUtf8, utf8 } from "../../../shared/core/bytes.ts";
import { durableWrite } from "../../../shared/edge/durable-write.ts";
import { bytes32, fleetId, hostId, sha256Hex, text, wallMs } from "../../../shared/protocol/fields.ts";
import type { World } from "../../../shared/ports/world.ts";
import { paths } from "../../core/desired/paths.ts";

export const membership = z.object({
  v: z.literal(1),
  fleet_id: fleetId,
  host_id: hostId,
  root_hash: sha256Hex,
  pins: z.array(bytes32).check(z.maxLength(16)),
  urls: z.array(text(512)).check(z.minLength(1), z.maxLength(16)),
  credential: text(512),
  enrolled_at: wallMs,
});
export type Membership = z.infer<typeof membership>;

const BYTES_MAX = 64 * 1024;

/** `undefined` when this box is not enrolled. A file that is there and cannot be understood is an error, never "not enrolled". */
export function readMembership(world: World, dataDir: string): Membership | undefined {
  const path = paths(dataDir).membership;
  let bytes: Uint8Array;
  try {
    bytes = world.files.read("membership.read", path, { bytesMax: BYTES_MAX });
  } catch (error) {
    if (isFault(error, "file_missing")) return undefined;
    throw error;
  }
  const parsed = z.safeParse(membership, parseJson(bytes));
  if (!parsed.success) throw new Fault("file_not_regular", `Cannot read ${path}: it is damaged`, { remedy: "felhom enroll, with the same join code: the keys are kept" });
  return parsed.data;
}

export function writeMembership(world: World, dataDir: string, value: Membership): void {
  durableWrite(world.files, world.crypto, "membership.write", paths(dataDir).membership, utf8(`${JSON.stringify(value, null, 2)}\n`), { mode: 0o600 });
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(fromUtf8(bytes));
  } catch {
    return undefined;
  }
}
