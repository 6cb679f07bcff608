/**
 * Bundles: an upload is verified as a courtesy (publish role of the current root, version grows, every blob is here) and becomes the
 * current one in the transaction that stores it; held syncs wake after the commit. Boxes verify all of it again.
 */
import * as z from "zod/mini";
import { Fault } from "../../../../shared/core/fault.ts";
import { bundleDetail, bundleItem, envelopeUpload } from "../../../../shared/protocol/api/fleet.ts";
import { one, page } from "../../../../shared/protocol/api/page.ts";
import { verifyBundle } from "../../../../shared/trust/bundle.ts";
import type { Envelope } from "../../../../shared/trust/envelope.ts";
import type { BundlePayload } from "../../../../shared/trust/payloads.ts";
import type { TrustedRoot } from "../../../../shared/trust/root.ts";
import { refuse } from "../../../../shared/trust/verdict.ts";
import type { Hub } from "../../hub.ts";
import { type BundleRow, findBundle, findBlobFaults, insertBundle, listBundles, newestBundleVersion } from "../../store/bundles.ts";
import { appendEvent } from "../../store/events.ts";
import { storedEnvelope } from "../../trust/load-root.ts";
import { orRefuse } from "../../trust/refused.ts";
import { defineRoute, type Route } from "../route.ts";
import { fleetRoot } from "./fleet-root.ts";
import { mutate } from "./mutation.ts";
import { pageQuery, readPage } from "./query.ts";
import { oneBody, pageBody } from "./reply.ts";

/** A manifest of 4 MiB in base64, its signatures, and JSON around them. */
const UPLOAD_BYTES_MAX = 6 * 1024 * 1024;
const VERSION = /^[1-9][0-9]{0,15}$/;

export function bundleRoutes(hub: Hub): readonly Route[] {
  return [listRoute(hub), showRoute(hub), publishRoute(hub)];
}

function listRoute(hub: Hub): Route {
  return defineRoute(
    {
      method: "GET",
      path: "/api/v1/bundles",
      capability: "fleet.read",
      summary: "Bundles, newest first",
      bodyBytesMax: 0,
      query: z.strictObject(pageQuery),
      replies: { 200: { what: "Bundles", schema: page("BundleList", bundleItem) } },
    },
    async ({ query }) => {
      const { rows, next } = await hub.store.read((db) =>
        readPage(
          "bundles",
          query,
          ["number"],
          (after, limit) => listBundles(db, Number(after?.[0] ?? Number.MAX_SAFE_INTEGER), limit),
          (row) => [row.version],
        ),
      );
      const holders = countHolders(hub);
      return {
        status: 200,
        body: pageBody(
          "BundleList",
          rows.map((row) => itemOf(row, holders)),
          next,
        ),
      };
    },
  );
}

function showRoute(hub: Hub): Route {
  return defineRoute(
    {
      method: "GET",
      path: "/api/v1/bundles/{version}",
      capability: "fleet.read",
      summary: "One bundle with its signed manifest",
      bodyBytesMax: 0,
      replies: { 200: { what: "The bundle", schema: one("Bundle", bundleDetail) } },
      errors: ["not_found"],
    },
    async ({ params }) => {
      const text = params["version"] ?? "";
      const row = VERSION.test(text) ? await hub.store.read((db) => findBundle(db, Number(text))) : undefined;
      if (row === undefined) throw new Fault("not_found", `Cannot show bundle ${text.slice(0, 20)}: there is none`);
      return { status: 200, body: oneBody("Bundle", { ...itemOf(row, countHolders(hub)), envelope: storedEnvelope("bundle", row.envelope) }) };
    },
  );
}

function publishRoute(hub: Hub): Route {
  return defineRoute(
    {
      method: "POST",
      path: "/api/v1/bundles",
      capability: "bundle.publish",
      summary: "Publish a bundle: signed in the role publish, newer than the current one, every blob uploaded before",
      bodyBytesMax: UPLOAD_BYTES_MAX,
      body: envelopeUpload,
      replies: { 201: { what: "It is the current bundle", schema: one("Bundle", bundleItem) } },
      errors: ["conflict", "refused"],
    },
    async (call) => {
      const { envelope } = call.body;
      return mutate(hub, call, { action: "bundle.publish", target: "bundle" }, (tx, nowMs) => {
        const root = fleetRoot(hub);
        const bundle = orRefuse("bundle", verifyBundle({ envelope, root, floor: newestBundleVersion(tx.db), nowMs }));
        for (const fault of findBlobFaults(tx.db, bundle.files)) orRefuse("bundle", refuse(fault.is, `${fault.count} of its files, for example ${fault.path}`));
        const row = rowOf(bundle, envelope, root, nowMs);
        insertBundle(tx.db, { ...row, envelope: JSON.stringify(envelope), sha256: bundle.files.map(({ sha256 }) => sha256) });
        appendEvent(tx.db, {
          at: nowMs,
          kind: "bundle.published",
          data: { version: bundle.version, files: row.files, bytes: row.bytes, message: bundle.message },
        });
        tx.afterCommit(() => hub.fleet.bundleTaken(bundle.version));
        return {
          status: 201,
          body: oneBody("Bundle", itemOf(row, new Map())),
          target: `bundle ${bundle.version}`,
          audit: { version: bundle.version, files: row.files, bytes: row.bytes, signers: row.signers },
        };
      });
    },
  );
}

function rowOf(bundle: BundlePayload, envelope: Envelope, root: TrustedRoot, nowMs: number): BundleRow {
  const publishers: readonly string[] = root.payload.roles.publish.keys;
  const signers = envelope.signatures.map(({ keyid }) => keyid).filter((id) => publishers.includes(id));
  const bytes = bundle.files.reduce((sum, { size }) => sum + size, 0);
  const { version, created_at, expires_at, message } = bundle;
  return { version, created_at, expires_at, message, files: bundle.files.length, bytes, signers: JSON.stringify(signers), received_at: nowMs };
}

function itemOf(row: BundleRow, holders: ReadonlyMap<number, number>) {
  const { version, created_at, expires_at, message, files, bytes, received_at } = row;
  const signers: readonly string[] = JSON.parse(row.signers);
  return { version, created_at, expires_at, message, files, bytes, signers, received_at, hosts_in_force: holders.get(version) ?? 0 };
}

/** By version, the hosts that hold it now, from memory: revoked ones hold nothing that counts. */
function countHolders(hub: Hub): ReadonlyMap<number, number> {
  const holders = new Map<number, number>();
  for (const host of hub.hosts.all()) if (!host.revoked) holders.set(host.haveBundle, (holders.get(host.haveBundle) ?? 0) + 1);
  return holders;
}
