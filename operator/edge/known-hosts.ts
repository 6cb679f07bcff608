/**
 * What this workstation remembers of hosts, per fleet: `HOME/known-hosts/<fleet id>.json`, the highest certificate serial it has
 * seen and whether a host was revoked here. It only grows. It is the one defence against a hub that shows an old certificate or
 * forgets a revocation to have a host sent secrets; other operators' workstations have memories of their own.
 */
import * as z from "zod/mini";
import { utf8 } from "../../shared/core/bytes.ts";
import { Fault } from "../../shared/core/fault.ts";
import type { FleetId, HostId } from "../../shared/core/ids.ts";
import type { World } from "../../shared/ports/world.ts";
import { counter, hostId } from "../../shared/protocol/fields.ts";
import type { KnownHost } from "../../shared/trust/host-identity.ts";
import { parseVersioned } from "../../shared/trust/strict-json.ts";
import { lockPrivate, privateDir, readPrivate, writePrivate } from "./private-files.ts";

export type KnownHosts = ReadonlyMap<HostId, KnownHost>;

const BYTES_MAX = 32 * 1024 * 1024;
const file = z.strictObject({ v: z.literal(1), hosts: z.record(hostId, z.strictObject({ serial: counter, revoked: z.boolean() })) });

type Disk = Pick<World, "files" | "crypto" | "self">;

/** Throws when the file is damaged: an unreadable memory is not an empty one. */
export function readKnownHosts(world: Disk, home: string, fleetId: FleetId): KnownHosts {
  const path = pathOf(home, fleetId);
  const bytes = readPrivate(world, "known-hosts.read", path, BYTES_MAX);
  if (bytes === undefined) return new Map();
  const parsed = parseVersioned(file, bytes, BYTES_MAX);
  if (!parsed.ok)
    throw new Fault("bad_request", `Cannot read ${path}: ${parsed.refusal} ${parsed.detail}`, {
      remedy: "Restore it from a backup. Without it, an old certificate shown by the hub would not be noticed.",
    });
  return new Map(Object.entries(parsed.value.hosts).flatMap(([id, known]) => (hostId.safeParse(id).success ? [[hostId.parse(id), known] as const] : [])));
}

export function rememberHosts(world: Disk, home: string, fleetId: FleetId, seen: readonly { readonly hostId: HostId; readonly serial: number }[]): void {
  update(world, home, fleetId, (known) => {
    for (const { hostId: id, serial } of seen) {
      const before = known.get(id);
      if (before === undefined || before.serial < serial) known.set(id, { serial, revoked: before?.revoked ?? false });
    }
  });
}

export function rememberRevoked(world: Disk, home: string, fleetId: FleetId, id: HostId): void {
  update(world, home, fleetId, (known) => void known.set(id, { serial: known.get(id)?.serial ?? 0, revoked: true }));
}

function update(world: Disk, home: string, fleetId: FleetId, change: (known: Map<HostId, KnownHost>) => void): void {
  privateDir(world, "known-hosts.dir", home);
  privateDir(world, "known-hosts.dir", `${home}/known-hosts`);
  const held = lockPrivate(world, "known-hosts.lock", `${home}/known-hosts/lock`);
  try {
    const known = new Map(readKnownHosts(world, home, fleetId));
    const before = JSON.stringify([...known]);
    change(known);
    if (JSON.stringify([...known]) === before) return;
    writePrivate(world, "known-hosts.write", pathOf(home, fleetId), utf8(`${JSON.stringify({ v: 1, hosts: Object.fromEntries(known) })}\n`));
  } finally {
    held.release();
  }
}

const pathOf = (home: string, fleetId: FleetId): string => `${home}/known-hosts/${fleetId}.json`;
