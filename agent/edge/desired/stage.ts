/**
 * The candidate becomes the bundle in force once all its files are here and every byte was verified. A full disk is said before
 * anything is written; wrong bytes are thrown away and asked for again.
 */
import { Fault } from "../../../shared/core/fault.ts";
import type { World } from "../../../shared/ports/world.ts";
import { bundleExpired } from "../../../shared/trust/bundle.ts";
import { paths } from "../../core/desired/paths.ts";
import type { RefusedDocument, WorkerSettings } from "../../core/worker/messages.ts";
import { raise } from "./adopt.ts";
import { inspectTree, pruneBundles, stageBundle } from "./bundle-tree.ts";
import { type Documents, writeBoth } from "./documents.ts";
import { type Desired, loadDesired } from "./load-desired.ts";

export interface StageResult {
  readonly desired: Desired;
  readonly staged: boolean;
  readonly refused: readonly RefusedDocument[];
}

export function stage(world: World, settings: WorkerSettings): StageResult {
  const { dataDir } = settings;
  const before = loadDesired(world, dataDir);
  const { candidate } = before;
  if (candidate === undefined) return { desired: before, staged: false, refused: [] };
  // It may have waited for a window or an uplink for months; a tree that is only put back is not judged by its age.
  const isRepair = candidate.version === before.bundle?.version;
  if (!isRepair && bundleExpired(candidate, Math.max(world.clock.wallMs(), before.documents.floor.timeMs))) {
    const after = save(world, dataDir, (documents) => without(documents, "candidate"));
    return {
      desired: after,
      staged: false,
      refused: [{ what: "bundle", version: candidate.version, code: "expired", detail: "it expired before its files were here" }],
    };
  }
  const bytes = candidate.files.reduce((sum, { size }) => sum + size, 0);
  const free = world.files.freeBytes("bundle.preflight", paths(dataDir).bundles);
  if (free < bytes + settings.diskReserveBytes)
    throw new Fault("disk_full", `Cannot stage bundle ${candidate.version}: ${free} bytes are free, ${bytes} and a reserve are needed`, {
      facts: { free, bytes },
    });
  const result = stageBundle(world, dataDir, candidate, before.bundle);
  if (!result.ok)
    return {
      desired: before,
      staged: false,
      refused: [{ what: "bundle", version: candidate.version, code: result.refusal, detail: result.detail.slice(0, 1_024) }],
    };
  const after = save(world, dataDir, (documents) => inForce(documents, candidate.version));
  pruneBundles(world, dataDir, {
    inForce: candidate.version,
    count: settings.bundlesKept,
    wanted: new Set(after.candidate?.files.map(({ sha256 }) => sha256)),
  });
  return { desired: after, staged: true, refused: [] };
}

/** A tree that is not what its manifest says is not enforced: the bundle becomes its own candidate, and what is wrong is fetched again. */
export function distrustDamagedTree(world: World, dataDir: string, desired: Desired): { readonly desired: Desired; readonly damage: string | undefined } {
  const { bundle } = desired;
  if (bundle === undefined) return { desired, damage: undefined };
  const verdict = inspectTree(world, paths(dataDir).bundle(bundle.version), bundle);
  if (verdict.ok) return { desired, damage: undefined };
  const damage = `${verdict.refusal}: ${verdict.detail}`;
  if (desired.candidate !== undefined) return { desired, damage };
  return { desired: save(world, dataDir, (documents) => (documents.bundle === undefined ? documents : { ...documents, candidate: documents.bundle })), damage };
}

function save(world: World, dataDir: string, change: (documents: Documents) => Documents): Desired {
  const loaded = loadDesired(world, dataDir);
  const notes = writeBoth(world, dataDir, (stored) =>
    change(stored === undefined || loaded.source !== "database" ? loaded.documents : { ...stored, floor: loaded.documents.floor }),
  );
  const after = loadDesired(world, dataDir);
  return { ...after, notes: [...after.notes, ...notes] };
}

function inForce(documents: Documents, version: number): Documents {
  const { candidate } = documents;
  if (candidate === undefined) return documents;
  return { ...without(documents, "candidate"), bundle: candidate, floor: raise(documents.floor, version, 0) };
}

function without(documents: Documents, kind: "candidate"): Documents {
  const { [kind]: _dropped, ...rest } = documents;
  return rest;
}
