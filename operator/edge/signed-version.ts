import * as z from "zod/mini";
import { fromUtf8, utf8 } from "../../shared/core/bytes.ts";
import type { World } from "../../shared/ports/world.ts";
import { counter } from "../../shared/protocol/fields.ts";
import { privateDir, readPrivate, writePrivate } from "./private-files.ts";

/** The highest bundle version that was ever signed on this workstation, per fleet: `HOME/published/<fleet id>.json`. Written before signing. */
const signed = z.strictObject({ v: z.literal(1), version: counter });
const BYTES_MAX = 4_096;
type Disk = Pick<World, "files" | "crypto" | "self">;

export function readSignedVersion(world: Disk, home: string, fleetId: string): number {
  const bytes = readPrivate(world, "published.read", pathOf(home, fleetId), BYTES_MAX);
  return bytes === undefined ? 0 : z.parse(signed, JSON.parse(fromUtf8(bytes))).version;
}

export function writeSignedVersion(world: Disk, home: string, fleetId: string, version: number): void {
  privateDir(world, "published.dir", home);
  privateDir(world, "published.dir", `${home}/published`);
  writePrivate(world, "published.write", pathOf(home, fleetId), utf8(`${JSON.stringify({ v: 1, version })}\n`));
}

function pathOf(home: string, fleetId: string): string {
  return `${home}/published/${fleetId}.json`;
}
