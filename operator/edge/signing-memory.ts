/**
 * What this workstation remembers of what was signed on it, per fleet: `HOME/signing/<fleet id>.json`, hosts by name and key and who
 * drafted, and one receipt per op under `HOME/signing/receipts/`. The memory only serves to say what is unusual. A damaged one stops the
 * command: without it nothing would look unusual.
 */
import * as z from "zod/mini";
import { utf8 } from "../../shared/core/bytes.ts";
import { Fault } from "../../shared/core/fault.ts";
import type { FleetId } from "../../shared/core/ids.ts";
import type { World } from "../../shared/ports/world.ts";
import { bytes32, type Envelope, hostId, name, text } from "../../shared/protocol/fields.ts";
import { parseVersioned } from "../../shared/trust/strict-json.ts";
import { EMPTY_MEMORY, type SigningMemory } from "../core/sign/unusual.ts";
import { lockPrivate, privateDir, readPrivate, writePrivate } from "./private-files.ts";

const BYTES_MAX = 32 * 1024 * 1024;
const file = z.strictObject({ v: z.literal(1), hosts: z.record(hostId, z.strictObject({ name, box_key: bytes32 })), drafters: z.array(text(128)) });

type Disk = Pick<World, "files" | "crypto" | "self">;

export function readSigningMemory(world: Disk, home: string, fleetId: FleetId): SigningMemory {
  const path = pathOf(home, fleetId);
  const bytes = readPrivate(world, "signing.read", path, BYTES_MAX);
  if (bytes === undefined) return EMPTY_MEMORY;
  const parsed = parseVersioned(file, bytes, BYTES_MAX);
  if (parsed.ok) return { hosts: parsed.value.hosts, drafters: parsed.value.drafters };
  throw new Fault("bad_request", `Cannot read ${path}: ${parsed.refusal} ${parsed.detail}`, {
    remedy: "Restore it from a backup, or remove it: then every host and every drafter is new again.",
  });
}

export function updateSigningMemory(world: Disk, home: string, fleetId: FleetId, change: (memory: SigningMemory) => SigningMemory): void {
  signingDir(world, home);
  const held = lockPrivate(world, "signing.lock", `${home}/signing/lock`);
  try {
    const { hosts, drafters } = change(readSigningMemory(world, home, fleetId));
    writePrivate(world, "signing.write", pathOf(home, fleetId), utf8(`${JSON.stringify({ v: 1, hosts, drafters })}\n`));
  } finally {
    held.release();
  }
}

export interface Receipt {
  readonly opId: string;
  readonly sha256: string;
  readonly kind: string;
  readonly signedAt: number;
  readonly envelope: Envelope;
}

/** Before the signature leaves this machine: whatever the hub makes of it, its signer knows what was signed. */
export function writeReceipt(world: Disk, home: string, receipt: Receipt): string {
  signingDir(world, home);
  privateDir(world, "signing.dir", `${home}/signing/receipts`);
  const path = `${home}/signing/receipts/${receipt.opId}.json`;
  const { opId, sha256, kind, signedAt, envelope } = receipt;
  writePrivate(world, "signing.receipt", path, utf8(`${JSON.stringify({ v: 1, op_id: opId, sha256, kind, signed_at: signedAt, envelope })}\n`));
  return path;
}

function signingDir(world: Disk, home: string): void {
  privateDir(world, "signing.dir", home);
  privateDir(world, "signing.dir", `${home}/signing`);
}

const pathOf = (home: string, fleetId: FleetId): string => `${home}/signing/${fleetId}.json`;
