/** Root documents: read by everybody who may look, and the next one taken when the chain allows it. A key that left ends its sessions in the same transaction. */
import { Fault } from "../../../../shared/core/fault.ts";
import { envelopeUpload, fleetItem, rootList } from "../../../../shared/protocol/api/fleet.ts";
import { one } from "../../../../shared/protocol/api/page.ts";
import { ROOT_CHAIN_MAX, verifyNextRoot } from "../../../../shared/trust/root.ts";
import type { Hub } from "../../hub.ts";
import { keepSessionsOf } from "../../store/credentials.ts";
import { appendEvent } from "../../store/events.ts";
import { insertRoot, listRoots, ROOTS_MAX } from "../../store/roots.ts";
import { loadRoot, storedEnvelope } from "../../trust/load-root.ts";
import { orRefuse } from "../../trust/refused.ts";
import { defineRoute, type Route } from "../route.ts";
import { mutate } from "./mutation.ts";
import { oneBody, pageBody } from "./reply.ts";
import { fleetOf } from "./setup.ts";

export function rootRoutes(hub: Hub): readonly Route[] {
  return [
    defineRoute(
      {
        method: "GET",
        path: "/api/v1/roots",
        capability: "fleet.read",
        summary: "Every root document, in order from version 1",
        bodyBytesMax: 0,
        replies: { 200: { what: "The root chain", schema: rootList } },
      },
      async () => {
        const rows = await hub.store.read((db) => listRoots(db, 0, ROOT_CHAIN_MAX));
        return {
          status: 200,
          body: pageBody(
            "RootList",
            rows.map((row) => storedEnvelope("root", row.envelope)),
            undefined,
          ),
        };
      },
    ),
    defineRoute(
      {
        method: "POST",
        path: "/api/v1/roots",
        capability: "root.write",
        summary: "Take the next root: signed by a threshold of the current root keys and of its own",
        bodyBytesMax: 128 * 1024,
        body: envelopeUpload,
        replies: { 201: { what: "It is the root in force", schema: one("Fleet", fleetItem) } },
        errors: ["conflict", "refused"],
      },
      async (call) =>
        mutate(hub, call, { action: "root.rotate", target: "root" }, (tx, nowMs) => {
          const current = loadRoot(tx.db);
          if (current === undefined)
            throw new Fault("conflict", "Cannot take a root: this hub has no fleet yet", { remedy: "felhom login with --setup-token-file" });
          if (current.payload.version >= ROOTS_MAX) throw new Fault("conflict", `Cannot take a root: the chain already has ${ROOTS_MAX}`);
          const next = orRefuse("root", verifyNextRoot(current, call.body.envelope));
          const { version } = next.payload;
          insertRoot(tx.db, {
            version,
            fleet_id: next.payload.fleet_id,
            payload_sha256: next.hash,
            envelope: JSON.stringify(next.envelope),
            received_at: nowMs,
          });
          const ended = keepSessionsOf(tx.db, Object.keys(next.payload.keys));
          appendEvent(tx.db, { at: nowMs, kind: "root.rotated", data: { version, keys: Object.keys(next.payload.keys).length } });
          tx.afterCommit(() => hub.fleet.rootTaken(next));
          return {
            status: 201,
            body: oneBody("Fleet", fleetOf(next)),
            target: `root ${version}`,
            audit: { version, root_hash: next.hash, sessions_ended: ended },
          };
        }),
    ),
  ];
}
