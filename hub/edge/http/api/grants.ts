/** Grants: signed by the operator, counted by the hub, spent by boxes with a key that the hub never sees. */
import { Fault } from "../../../../shared/core/fault.ts";
import { envelopeUpload, type GrantItem, grantItem } from "../../../../shared/protocol/api/fleet.ts";
import { one, page } from "../../../../shared/protocol/api/page.ts";
import * as z from "zod/mini";
import { verifyGrant } from "../../../../shared/trust/host-identity.ts";
import type { Hub } from "../../hub.ts";
import { appendEvent } from "../../store/events.ts";
import { findGrant, type GrantRow, insertGrant, listGrants, revokeGrant } from "../../store/grants.ts";
import { storedEnvelope } from "../../trust/load-root.ts";
import { orRefuse } from "../../trust/refused.ts";
import { defineRoute, type Route } from "../route.ts";
import { fleetRoot } from "./fleet-root.ts";
import { mutate } from "./mutation.ts";
import { pageQuery, readPage } from "./query.ts";
import { oneBody, pageBody } from "./reply.ts";

export function grantRoutes(hub: Hub): readonly Route[] {
  return [listRoute(hub), createRoute(hub), revokeRoute(hub)];
}

function listRoute(hub: Hub): Route {
  return defineRoute(
    {
      method: "GET",
      path: "/api/v1/grants",
      capability: "fleet.read",
      summary: "Grants for unattended enrollment, with how often each was used",
      bodyBytesMax: 0,
      query: z.strictObject(pageQuery),
      replies: { 200: { what: "Grants by id", schema: page("GrantList", grantItem) } },
    },
    async ({ query }) => {
      const { rows, next } = await hub.store.read((db) =>
        readPage(
          "grants",
          query,
          ["string"],
          (after, limit) => listGrants(db, String(after?.[0] ?? ""), limit),
          (row) => [row.grant_id],
        ),
      );
      return { status: 200, body: pageBody("GrantList", rows.map(itemOf), next) };
    },
  );
}

function createRoute(hub: Hub): Route {
  return defineRoute(
    {
      method: "POST",
      path: "/api/v1/grants",
      capability: "grant.write",
      summary: "Store a grant, signed in the role admit",
      bodyBytesMax: 64 * 1024,
      body: envelopeUpload,
      replies: {
        201: { what: "The grant can be used", schema: one("Grant", grantItem) },
        200: { what: "It was stored before", schema: one("Grant", grantItem) },
      },
      errors: ["conflict", "refused"],
    },
    async (call) =>
      mutate(hub, call, { action: "grant.create", target: "grant" }, (tx, nowMs) => {
        const { envelope } = call.body;
        const grant = orRefuse("grant", verifyGrant(envelope, fleetRoot(hub), nowMs));
        const text = JSON.stringify(envelope);
        const { grant_id, token_key, uses, created_at, expires_at } = grant;
        if (!insertGrant(tx.db, { grant_id, token_key, envelope: text, uses, created_at, expires_at })) {
          const known = findGrant(tx.db, grant_id);
          if (known?.envelope === text) return { status: 200, body: oneBody("Grant", itemOf(known)) };
          throw new Fault("conflict", `Cannot store grant ${grant_id}: its id or its token's key is already in use`);
        }
        appendEvent(tx.db, { at: nowMs, kind: "grant.created", data: { grant_id, uses, expires_at } });
        const item: GrantItem = { grant_id, envelope, uses, used: 0, revoked: false, created_at, expires_at };
        return { status: 201, body: oneBody("Grant", item), target: grant_id, audit: { uses, expires_at } };
      }),
  );
}

function revokeRoute(hub: Hub): Route {
  return defineRoute(
    {
      method: "POST",
      path: "/api/v1/grants/{grant_id}/revoke",
      capability: "grant.write",
      summary: "Let a grant admit nobody from now on",
      bodyBytesMax: 0,
      replies: { 200: { what: "The grant is revoked", schema: one("Grant", grantItem) } },
      errors: ["not_found"],
    },
    async (call) => {
      const grantId = call.params["grant_id"] ?? "";
      return mutate(hub, call, { action: "grant.revoke", target: grantId }, (tx, nowMs) => {
        const changed = revokeGrant(tx.db, grantId, nowMs);
        const grant = findGrant(tx.db, grantId);
        if (grant === undefined) throw new Fault("not_found", `Cannot revoke grant ${grantId.slice(0, 64)}: there is none`);
        if (changed) appendEvent(tx.db, { at: nowMs, kind: "grant.revoked", data: { grant_id: grantId, used: grant.used } });
        return { status: 200, body: oneBody("Grant", itemOf(grant)), ...(changed ? { audit: { used: grant.used } } : {}) };
      });
    },
  );
}

function itemOf(row: GrantRow): GrantItem {
  return {
    grant_id: row.grant_id,
    envelope: storedEnvelope("grant", row.envelope),
    uses: row.uses,
    used: row.used,
    revoked: row.revoked_at !== null,
    created_at: row.created_at,
    expires_at: row.expires_at,
  };
}
