/** Blobs for operators: which are missing, put one, get one. A blob is what its hash says or it is refused. */
import { Fault } from "../../../../shared/core/fault.ts";
import { isSha256 } from "../../../../shared/core/ids.ts";
import { blobsMissingReply, blobsMissingRequest } from "../../../../shared/protocol/api/fleet.ts";
import { BLOB_BYTES_MAX, blobBody, receiveBlob } from "../../blobs/blob-files.ts";
import type { Hub } from "../../hub.ts";
import { findBlob, insertBlob, missingBlobs } from "../../store/blobs.ts";
import { countedParts } from "../body.ts";
import { defineRoute, type Route } from "../route.ts";
import { mutate } from "./mutation.ts";

/** Uploads at once: each holds a file and a connection. */
export const UPLOADS_MAX = 16;

export function blobRoutes(hub: Hub): readonly Route[] {
  return [missingRoute(hub), putRoute(hub), getRoute(hub)];
}

function missingRoute(hub: Hub): Route {
  return defineRoute(
    {
      method: "POST",
      path: "/api/v1/blobs/missing",
      capability: "bundle.publish",
      summary: "Which of these blobs are not stored yet (reads only)",
      bodyBytesMax: 2 * 1024 * 1024,
      body: blobsMissingRequest,
      replies: { 200: { what: "Those to upload", schema: blobsMissingReply } },
    },
    async ({ body }) => ({ status: 200, body: { missing: [...new Set(await hub.store.read((db) => missingBlobs(db, body.sha256)))] } }),
  );
}

function putRoute(hub: Hub): Route {
  let uploads = 0;
  return defineRoute(
    {
      method: "PUT",
      path: "/api/v1/blobs/{sha256}",
      capability: "bundle.publish",
      summary: "Store a blob under the SHA-256 of its bytes",
      bodyBytesMax: BLOB_BYTES_MAX,
      bodyForm: "stream",
      replies: { 201: { what: "It is stored" }, 200: { what: "It was stored before" } },
      errors: ["disk_full", "refused", "too_large", "unavailable"],
    },
    async (call) => {
      const sha256 = shaOf(call.params["sha256"]);
      if ((await hub.store.read((db) => findBlob(db, sha256))) !== undefined) return { status: 200 };
      if (uploads >= UPLOADS_MAX) throw new Fault("unavailable", `Cannot take the blob just now: ${uploads} are being uploaded`);
      uploads += 1;
      try {
        const announced = Number(call.request.headers.get("content-length") ?? "0");
        const size = await receiveBlob(
          hub.world,
          hub.settings.dataDir,
          sha256,
          countedParts(call.request.body ?? new Blob([]).stream(), BLOB_BYTES_MAX),
          announced,
        );
        return await mutate(hub, call, { action: "blob.store", target: sha256 }, (tx, nowMs) => {
          const isNew = insertBlob(tx.db, { sha256, size, created_at: nowMs });
          return isNew ? { status: 201, audit: { size } } : { status: 200 };
        });
      } finally {
        uploads -= 1;
      }
    },
  );
}

function getRoute(hub: Hub): Route {
  return defineRoute(
    {
      method: "GET",
      path: "/api/v1/blobs/{sha256}",
      capability: "fleet.read",
      summary: "A blob's bytes",
      bodyBytesMax: 0,
      replies: { 200: { what: "The bytes", type: "application/octet-stream" } },
      errors: ["not_found"],
    },
    async ({ params }) => {
      const sha256 = shaOf(params["sha256"]);
      const blob = await hub.store.read((db) => findBlob(db, sha256));
      if (blob === undefined) throw noBlob();
      const headers = {
        "content-type": "application/octet-stream",
        "content-length": String(blob.size),
        "content-disposition": "attachment",
        "x-content-type-options": "nosniff",
        "cache-control": "private, immutable, max-age=31536000",
        etag: `"${sha256}"`,
      };
      return new Response(blobBody(hub.world, hub.settings.dataDir, sha256, { from: 0, to: blob.size }), { headers });
    },
  );
}

function shaOf(text: string | undefined): string {
  if (text === undefined || !isSha256(text)) throw noBlob();
  return text;
}

const noBlob = (): Fault => new Fault("not_found", "Cannot find the blob: none is stored under this SHA-256");
