/** Blobs for boxes: only those that a kept bundle names, whole or from where a cut download stopped. */
import { Fault } from "../../../shared/core/fault.ts";
import { isSha256 } from "../../../shared/core/ids.ts";
import { parseRange } from "../../core/http/range.ts";
import { defineRoute, type Route } from "../http/route.ts";
import type { Hub } from "../hub.ts";
import { findBlob } from "../store/blobs.ts";
import { isBlobNamed } from "../store/bundles.ts";
import { blobBody } from "./blob-files.ts";

export function agentBlobRoutes(hub: Hub): readonly Route[] {
  return [
    defineRoute(
      {
        method: "GET",
        path: "/agent/v1/blobs/{sha256}",
        capability: "agent",
        summary: "A blob that a bundle of this fleet names; takes Range and If-None-Match",
        bodyBytesMax: 0,
        replies: {
          200: { what: "The bytes", type: "application/octet-stream" },
          206: { what: "The bytes from the given one on", type: "application/octet-stream" },
          304: { what: "The box has it" },
          416: { what: "The range lies behind the end" },
        },
        errors: ["not_found", "revoked", "unauthenticated"],
      },
      async ({ params, request }) => blobReply(hub, params["sha256"] ?? "", request.headers),
    ),
  ];
}

async function blobReply(hub: Hub, sha256: string, headers: Headers): Promise<Response> {
  const blob = isSha256(sha256) ? await hub.store.read((db) => findBlob(db, sha256)) : undefined;
  // Stored but in no bundle (an upload before its publish) is as good as absent.
  if (blob === undefined || !(await hub.store.read((db) => isBlobNamed(db, sha256))))
    throw new Fault("not_found", "Cannot give this blob: no bundle of this fleet names it");
  const etag = `"${sha256}"`;
  const common = { etag, "accept-ranges": "bytes", "cache-control": "private, max-age=31536000, immutable", "x-content-type-options": "nosniff" };
  if (headers.get("if-none-match") === etag) return new Response(null, { status: 304, headers: common });
  const ifRange = headers.get("if-range");
  const range = ifRange !== null && ifRange !== etag ? { is: "whole" as const } : parseRange(headers.get("range"), blob.size);
  if (range.is === "beyond") return new Response(null, { status: 416, headers: { ...common, "content-range": `bytes */${blob.size}` } });
  const { from, to } = range.is === "part" ? range : { from: 0, to: blob.size };
  const body = blobBody(hub.world, hub.settings.dataDir, sha256, { from, to });
  return new Response(body, {
    status: range.is === "part" ? 206 : 200,
    headers: {
      ...common,
      "content-type": "application/octet-stream",
      "content-length": String(to - from),
      ...(range.is === "part" ? { "content-range": `bytes ${from}-${to - 1}/${blob.size}` } : {}),
    },
  });
}
