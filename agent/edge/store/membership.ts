/**
 * `identity/membership.json`: which fleet this box belongs to and how it reaches a hub. Written once, last, by an enrollment.
 * It pins root version 1 by hash, so that a box that lost every other document can take the chain from any courier again.
 */
import { Fault, isFault } from "../../../shared/core/fault.ts";
import { fromUtf8, utf8 } from "../../../shared/core/bytes.ts";
import { durableWrite } from "../../../shared/edge/durable-write.ts";
import { type FleetId, type HostId, isFleetId, isHostId, isSha256, type Sha256 } from "../../../shared/core/ids.ts";
import type { World } from "../../../shared/ports/world.ts";
import { isCount, isList, isPlain, isText, parseJson } from "../../../shared/protocol/plain-json.ts";
import { paths } from "../../core/desired/paths.ts";

export interface Membership {
  readonly v: 1;
  readonly fleet_id: FleetId;
  readonly host_id: HostId;
  readonly root_hash: Sha256;
  readonly pins: readonly string[];
  readonly urls: readonly string[];
  readonly credential: string;
  readonly enrolled_at: number;
}

const LIST_MAX = 16;
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
  const parsed = decodeMembership(jsonOf(bytes));
  if (parsed === undefined)
    throw new Fault("file_not_regular", `Cannot read ${path}: it is damaged`, { remedy: "felhom enroll, with the same join code: the keys are kept" });
  return parsed;
}

export function writeMembership(world: World, dataDir: string, value: Membership): void {
  durableWrite(world.files, world.crypto, "membership.write", paths(dataDir).membership, utf8(`${JSON.stringify(value, null, 2)}\n`), { mode: 0o600 });
}

function decodeMembership(value: unknown): Membership | undefined {
  if (!isPlain(value) || value["v"] !== 1) return undefined;
  const { fleet_id, host_id, root_hash, pins, urls, credential, enrolled_at } = value;
  if (!isText(fleet_id, 64) || !isFleetId(fleet_id) || !isText(host_id, 64) || !isHostId(host_id) || !isText(root_hash, 64) || !isSha256(root_hash))
    return undefined;
  if (!isList(pins, LIST_MAX, isPin) || !isList(urls, LIST_MAX, isUrl) || urls.length === 0 || !isText(credential, 512) || !isCount(enrolled_at))
    return undefined;
  return { v: 1, fleet_id, host_id, root_hash, pins, urls, credential, enrolled_at };
}

function isPin(value: unknown): value is string {
  return isText(value, 43) && /^[A-Za-z0-9_-]{43}$/.test(value);
}

function isUrl(value: unknown): value is string {
  return isText(value, 512);
}

function jsonOf(bytes: Uint8Array): unknown {
  try {
    return parseJson(fromUtf8(bytes));
  } catch {
    return undefined;
  }
}
