/**
 * The first thing a hub is told: its fleet's root, version 1, by whoever can read the setup token that the first start wrote beside the
 * database. It works once. The hub can't know whether this root is the right one; the boxes can, they pin its hash.
 */
import { utf8 } from "../../../../shared/core/bytes.ts";
import { Fault, isFault } from "../../../../shared/core/fault.ts";
import { sha256Hex } from "../../../../shared/core/sha256.ts";
import { fleetItem } from "../../../../shared/protocol/api/fleet.ts";
import { setupRequest } from "../../../../shared/protocol/api/login.ts";
import { one } from "../../../../shared/protocol/api/page.ts";
import { openEnvelope } from "../../../../shared/trust/envelope.ts";
import { type TrustedRoot, verifyFirstRoot } from "../../../../shared/trust/root.ts";
import type { Hub } from "../../hub.ts";
import { appendEvent } from "../../store/events.ts";
import { insertRoot, newestRootVersion } from "../../store/roots.ts";
import { orRefuse } from "../../trust/refused.ts";
import { defineRoute, type Route } from "../route.ts";
import { mutate } from "./mutation.ts";
import { oneBody } from "./reply.ts";

export const SETUP_TOKEN_FILE = "setup-token";
const SETUP_TOKEN_BYTES_MAX = 256;

export function setupRoutes(hub: Hub): readonly Route[] {
  return [
    defineRoute(
      {
        method: "POST",
        path: "/api/v1/setup",
        capability: "open",
        summary: "Give a new hub its fleet: root version 1, with the setup token of the first start",
        bodyBytesMax: 128 * 1024,
        body: setupRequest,
        replies: { 201: { what: "The hub has a fleet", schema: one("Fleet", fleetItem) } },
        errors: ["conflict", "refused", "unauthenticated"],
      },
      async (call) => {
        if (hub.fleet.root !== undefined) throw alreadySet();
        checkToken(hub, call.body.setup_token);
        const opened = orRefuse("root", openEnvelope(call.body.root, "root"));
        const root = orRefuse("root", verifyFirstRoot(call.body.root, sha256Hex(opened.payload)));
        const reply = await mutate(
          hub,
          call,
          { action: "fleet.setup", target: root.payload.fleet_id },
          (tx, nowMs) => {
            if (newestRootVersion(tx.db) > 0) throw alreadySet();
            insertRoot(tx.db, {
              version: 1,
              fleet_id: root.payload.fleet_id,
              payload_sha256: root.hash,
              envelope: JSON.stringify(root.envelope),
              received_at: nowMs,
            });
            appendEvent(tx.db, { at: nowMs, kind: "root.rotated", data: { version: 1, keys: Object.keys(root.payload.keys).length } });
            tx.afterCommit(() => hub.fleet.rootTaken(root));
            return { status: 201, body: oneBody("Fleet", fleetOf(root)), audit: { root_hash: root.hash, version: 1 } };
          },
          { actor: "setup" },
        );
        removeToken(hub);
        return reply;
      },
    ),
  ];
}

export function fleetOf(root: TrustedRoot) {
  return { fleet_id: root.payload.fleet_id, fleet_name: root.payload.fleet_name, root_version: root.payload.version };
}

/** A spent token opens nothing: one that can't be removed is worth a line in the log, not a failed setup. */
function removeToken(hub: Hub): void {
  try {
    hub.world.files.remove("setup.spent", tokenPath(hub));
  } catch (error) {
    hub.world.log.event("warn", "hub.setup_token_left", { path: tokenPath(hub) }, error);
  }
}

const tokenPath = (hub: Hub): string => `${hub.settings.dataDir}/${SETUP_TOKEN_FILE}`;

function alreadySet(): Fault {
  return new Fault("conflict", "Cannot set up this hub: it has a fleet already", { remedy: "Log in with an operator key: felhom login" });
}

/** Compared by hash: the time it takes says nothing about where two tokens differ. */
function checkToken(hub: Hub, given: string): void {
  const wanted = readToken(hub);
  if (wanted === undefined || sha256Hex(utf8(given.trim())) !== sha256Hex(utf8(wanted))) {
    throw new Fault("unauthenticated", "Cannot set up this hub: that is not its setup token", {
      remedy: `Read it on the hub, in ${SETUP_TOKEN_FILE} of its data directory`,
    });
  }
}

function readToken(hub: Hub): string | undefined {
  try {
    const text = new TextDecoder().decode(hub.world.files.read("setup.token", tokenPath(hub), { bytesMax: SETUP_TOKEN_BYTES_MAX })).trim();
    return text === "" ? undefined : text;
  } catch (error) {
    if (isFault(error, "file_missing")) return undefined;
    throw error;
  }
}
