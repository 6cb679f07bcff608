import * as z from "zod/mini";
import { utf8 } from "../../shared/core/bytes.ts";
import { Fault } from "../../shared/core/fault.ts";
import type { FleetId } from "../../shared/core/ids.ts";
import type { World } from "../../shared/ports/world.ts";
import { counter, hostId, sha256Hex } from "../../shared/protocol/fields.ts";
import { parseVersioned } from "../../shared/trust/strict-json.ts";
import { lockPrivate, privateDir, readPrivate, writePrivate } from "./private-files.ts";

/**
 * The newest head of each host's own log of ops that this workstation saw in an answer which that host signed:
 * `HOME/op-heads/<fleet id>.json`. A hub that shows a shorter or another log afterwards is caught by it (`felhom audit verify HOST`).
 */
export interface SeenHead {
  readonly seq: number;
  readonly hash: string;
}

const BYTES_MAX = 32 * 1_024 * 1_024;
const file = z.strictObject({ v: z.literal(1), hosts: z.record(hostId, z.strictObject({ seq: counter, hash: sha256Hex })) });

type Disk = Pick<World, "files" | "crypto" | "self">;

export function readOpHeads(world: Disk, home: string, fleetId: FleetId): ReadonlyMap<string, SeenHead> {
  const path = pathOf(home, fleetId);
  const bytes = readPrivate(world, "op-heads.read", path, BYTES_MAX);
  if (bytes === undefined) return new Map();
  const parsed = parseVersioned(file, bytes, BYTES_MAX);
  if (!parsed.ok)
    throw new Fault("bad_request", `Cannot read ${path}: ${parsed.refusal} ${parsed.detail}`, {
      remedy: "Restore it from a backup, or remove it to start a new memory of what hosts signed.",
    });
  return new Map(Object.entries(parsed.value.hosts));
}

/** Only ever forward. */
export function rememberOpHeads(world: Disk, home: string, fleetId: FleetId, seen: readonly (SeenHead & { readonly hostId: string })[]): void {
  if (seen.length === 0) return;
  privateDir(world, "op-heads.dir", home);
  privateDir(world, "op-heads.dir", `${home}/op-heads`);
  const held = lockPrivate(world, "op-heads.lock", `${home}/op-heads/lock`);
  try {
    const heads = new Map(readOpHeads(world, home, fleetId));
    let changed = false;
    for (const { hostId: id, seq, hash } of seen) {
      const before = heads.get(id);
      if (before !== undefined && before.seq >= seq) continue;
      heads.set(id, { seq, hash });
      changed = true;
    }
    if (changed) writePrivate(world, "op-heads.write", pathOf(home, fleetId), utf8(`${JSON.stringify({ v: 1, hosts: Object.fromEntries(heads) })}\n`));
  } finally {
    held.release();
  }
}

const pathOf = (home: string, fleetId: FleetId): string => `${home}/op-heads/${fleetId}.json`;
