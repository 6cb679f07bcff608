import { fromUtf8 } from "../../../shared/core/bytes.ts";
import { isFault } from "../../../shared/core/fault.ts";
import type { World } from "../../../shared/ports/world.ts";
import type { HostSpec } from "../../../shared/protocol/spec.ts";
import type { FleetDefaults } from "../../../shared/states/fleet-documents.ts";
import { readFleetDefaults } from "../../../shared/states/fleet-documents.ts";
import { paths } from "../../core/desired/paths.ts";
import { specInForce } from "../../core/desired/spec-defaults.ts";
import { clampSpec } from "../../core/desired/spec.ts";
import { readCounter } from "../store/counters.ts";
import { openAgentDb } from "./documents.ts";
import type { Desired } from "./load-desired.ts";

const FLEET_BYTES_MAX = 1024 * 1024;

/**
 * The spec with the fleet's defaults from the tree that is enforced: the newest bundle's, and while its fleet.yaml cannot be
 * read, that of the last good one, so that a slip in it does not open a closed window.
 */
export async function readSpecInForce(world: World, dataDir: string, desired: Desired): Promise<HostSpec | undefined> {
  const spec = await withDefaults(world, dataDir, desired);
  const untilMs = pausedByOp(world, dataDir);
  const hostId = desired.identity?.hostId;
  if (hostId === undefined || untilMs <= world.clock.wallMs()) return spec;
  const paused = spec ?? { v: 1, host_id: hostId, generation: 0, mode: "enforce" };
  return clampSpec({ ...paused, paused_until: Math.max(untilMs, paused.paused_until ?? 0) }, world.clock.wallMs());
}

/** What a signed `converge.pause` asked for; the spec's own pause stands beside it. A database that can't be read pauses nothing. */
function pausedByOp(world: World, dataDir: string): number {
  try {
    const database = openAgentDb(world, dataDir);
    try {
      return readCounter(database, "op_pause_until");
    } finally {
      database.close();
    }
  } catch (error) {
    if (isFault(error) && error.code.startsWith("db_")) return 0;
    throw error;
  }
}

async function withDefaults(world: World, dataDir: string, { documents, bundle, identity }: Desired): Promise<HostSpec | undefined> {
  const versions = [bundle?.version, documents.lastGood?.bundle].filter((version) => version !== undefined);
  for (const version of versions) {
    const defaults = await defaultsIn(world, `${paths(dataDir).bundle(version)}/fleet.yaml`);
    if (defaults !== undefined) return specInForce(documents.spec, defaults, identity?.hostId, world.clock.wallMs());
  }
  return documents.spec;
}

async function defaultsIn(world: World, path: string): Promise<FleetDefaults | undefined> {
  try {
    return await readFleetDefaults(fromUtf8(world.files.read("desired.defaults", path, { bytesMax: FLEET_BYTES_MAX })));
  } catch (error) {
    // Not here, or not a text: rendering says so where it is seen; the defaults of an older tree hold meanwhile.
    if (error instanceof TypeError || isFault(error, "file_missing") || isFault(error, "file_too_large") || isFault(error, "file_not_regular"))
      return undefined;
    throw error;
  }
}
