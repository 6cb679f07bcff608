import type { World } from "../../../shared/ports/world.ts";
import type { BundlePayload } from "../../../shared/trust/payloads.ts";
import type { BlobRef, Held } from "../../core/worker/messages.ts";
import { knownContents } from "./bundle-tree.ts";
import type { Desired } from "./load-desired.ts";
import { readSpecInForce } from "./spec-in-force.ts";

/** What the box holds, as the resident and `status` want to know it. */
export async function heldOf(world: World, dataDir: string, desired: Desired): Promise<Held> {
  const { root, identity, bundle, candidate, notes, source } = desired;
  const spec = await readSpecInForce(world, dataDir, desired);
  return {
    source,
    notes: [...notes],
    ...(identity === undefined ? {} : { hostId: identity.hostId, fleetId: identity.fleetId, name: identity.name, labels: { ...identity.labels } }),
    root: root?.payload.version ?? 0,
    ...(root === undefined ? {} : { rootExpiresAt: root.payload.expires_at }),
    cert: identity?.serial ?? 0,
    bundle: bundle?.version ?? 0,
    ...(bundle === undefined ? {} : { bundleCreatedAt: bundle.created_at, bundleExpiresAt: bundle.expires_at }),
    candidate: candidate?.version ?? 0,
    missing: candidate === undefined ? [] : [...missingBlobs(world, dataDir, desired.bundle, candidate)],
    ...(spec === undefined ? {} : { spec }),
    ...(desired.documents.awaiting === undefined ? {} : { awaiting: desired.documents.awaiting }),
    pins: [...(root?.payload.hub_pins ?? [])],
  };
}

/** Contents that neither the blob store nor the tree in force has: each once. Bytes are verified when they are used, not here. */
function missingBlobs(world: World, dataDir: string, bundle: BundlePayload | undefined, candidate: BundlePayload): readonly BlobRef[] {
  const known = knownContents(world, dataDir, bundle);
  const missing = new Map<string, BlobRef>();
  for (const { sha256, size } of candidate.files) if (!known.has(sha256)) missing.set(sha256, { sha256, size });
  return [...missing.values()];
}
