/** API tokens for machines: a name, a role, perhaps an end. The secret is shown once and stored hashed. */
import * as z from "zod/mini";
import { base32 } from "../../../../shared/core/bytes.ts";
import { Fault } from "../../../../shared/core/fault.ts";
import { type TokenItem, tokenCreate, tokenCreated, tokenItem } from "../../../../shared/protocol/api/login.ts";
import { page } from "../../../../shared/protocol/api/page.ts";
import type { Hub } from "../../hub.ts";
import { insertToken, listTokens, makeSecret, revokeToken, type TokenRow, TOKEN_PREFIX, TOKENS_MAX } from "../../store/credentials.ts";
import { defineRoute, type Route } from "../route.ts";
import { mutate } from "./mutation.ts";
import { pageQuery, readPage } from "./query.ts";
import { pageBody } from "./reply.ts";

export function tokenRoutes(hub: Hub): readonly Route[] {
  return [listRoute(hub), createRoute(hub), revokeRoute(hub)];
}

function listRoute(hub: Hub): Route {
  return defineRoute(
    {
      method: "GET",
      path: "/api/v1/tokens",
      capability: "token.write",
      summary: "Live API tokens, without their secrets",
      bodyBytesMax: 0,
      query: z.strictObject(pageQuery),
      replies: { 200: { what: "Tokens by id", schema: page("TokenList", tokenItem) } },
    },
    async ({ query }) => {
      const { rows, next } = await hub.store.read((db) =>
        readPage(
          "tokens",
          query,
          ["string"],
          (after, limit) => listTokens(db, String(after?.[0] ?? ""), limit),
          (row) => [row.token_id],
        ),
      );
      return { status: 200, body: pageBody("TokenList", rows.map(itemOf), next) };
    },
  );
}

function createRoute(hub: Hub): Route {
  return defineRoute(
    {
      method: "POST",
      path: "/api/v1/tokens",
      capability: "token.write",
      summary: "Make an API token",
      bodyBytesMax: 1_024,
      body: tokenCreate,
      replies: { 201: { what: "The token, shown this once", schema: tokenCreated } },
      errors: ["bad_request", "conflict"],
    },
    async (call) =>
      mutate(
        hub,
        call,
        { action: "token.create", target: call.body.name },
        (tx, nowMs) => {
          const { name, role, expires_at } = call.body;
          if (expires_at !== undefined && expires_at <= nowMs) throw new Fault("bad_request", "Cannot make the token: it would have expired already");
          const id = `t-${base32(hub.world.crypto.randomBytes(10))}`;
          const token = makeSecret(TOKEN_PREFIX, hub.world.crypto.randomBytes(32));
          const inserted = insertToken(tx.db, { token_id: id, secret: token, name, role, created_at: nowMs, expires_at: expires_at ?? null });
          if (!inserted) throw new Fault("conflict", `Cannot make the token: there are ${TOKENS_MAX} already`, { remedy: "Revoke some" });
          return { status: 201, body: { id, token }, target: id, audit: { name, role, expires_at: expires_at ?? null } };
        },
        { secret: true },
      ),
  );
}

function revokeRoute(hub: Hub): Route {
  return defineRoute(
    {
      method: "DELETE",
      path: "/api/v1/tokens/{token_id}",
      capability: "token.write",
      summary: "Revoke an API token at once",
      bodyBytesMax: 0,
      replies: { 204: { what: "It opens nothing any more" } },
      errors: ["not_found"],
    },
    async (call) => {
      const tokenId = call.params["token_id"] ?? "";
      return mutate(hub, call, { action: "token.revoke", target: tokenId }, (tx, nowMs) => {
        if (!revokeToken(tx.db, tokenId, nowMs)) throw new Fault("not_found", `Cannot revoke token ${tokenId.slice(0, 64)}: there is no such live one`);
        return { status: 204, audit: {} };
      });
    },
  );
}

function itemOf({ token_id, name, role, created_at, expires_at, last_used_at }: TokenRow): TokenItem {
  return { id: token_id, name, role, created_at, expires_at, last_used_at };
}
