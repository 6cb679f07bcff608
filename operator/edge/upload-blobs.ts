import { Fault } from "../../shared/core/fault.ts";
import { sha256Hex } from "../../shared/core/sha256.ts";
import { inParallel } from "../core/in-parallel.ts";
import { missingBlobs, uploadBlob } from "./hub-api.ts";
import type { HubConnection } from "./hub-connection.ts";

/** What the hub lacks of a bundle's contents, each once. A file that changed since it was hashed stops the publication. */
export interface Blob {
  readonly path: string;
  readonly sha256: string;
  readonly size: number;
  readonly read: () => Uint8Array;
}

export interface UploadPlan {
  readonly blobs: readonly Blob[];
  readonly bytes: number;
}

const ASKED_AT_ONCE = 10_000;
const UPLOADS_AT_ONCE = 4;

export async function planUpload(hub: HubConnection, blobs: readonly Blob[]): Promise<UploadPlan> {
  const unique = [...new Map(blobs.map((blob) => [blob.sha256, blob])).values()];
  const missing = new Set<string>();
  for (let at = 0; at < unique.length; at += ASKED_AT_ONCE) {
    for (const sha256 of await missingBlobs(
      hub,
      unique.slice(at, at + ASKED_AT_ONCE).map((blob) => blob.sha256),
    ))
      missing.add(sha256);
  }
  const wanted = unique.filter(({ sha256 }) => missing.has(sha256));
  return { blobs: wanted, bytes: wanted.reduce((sum, { size }) => sum + size, 0) };
}

export async function upload(hub: HubConnection, plan: UploadPlan, onBytes: (bytes: number) => void): Promise<void> {
  await inParallel(plan.blobs, UPLOADS_AT_ONCE, async (blob) => {
    const bytes = blob.read();
    if (sha256Hex(bytes) !== blob.sha256)
      throw new Fault("conflict", `Cannot publish ${blob.path}: it changed while it was being published`, { remedy: "Run the command again." });
    await uploadBlob(hub, blob.sha256, bytes);
    onBytes(blob.size);
  });
}
