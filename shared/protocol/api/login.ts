import * as z from "zod/mini";
import { bytes32, bytes64, envelope, keyId, name, opaqueId, text, wallMs } from "../fields.ts";

export const accessRole = z.enum(["viewer", "operator", "admin"]);
export type AccessRole = z.infer<typeof accessRole>;

/** POST /api/v1/login/challenges → 201. */
export const loginChallenge = z.object({ challenge_id: opaqueId, nonce: bytes32, fleet_id: z.nullable(text(32)), expires_at: wallMs });
export type LoginChallenge = z.infer<typeof loginChallenge>;

/** POST /api/v1/login/sessions. Ed25519 over UTF-8 `felhom login\n{fleet_id}\n{challenge_id}\n{nonce}\n{key_id}`. */
export const loginRequest = z.strictObject({ challenge_id: opaqueId, key_id: keyId, signature: bytes64 });
/** 201. The token is shown once and stored hashed. 12 hours. DELETE /api/v1/login/sessions/current ends it → 204. */
export const loginReply = z.object({ token: text(128), role: accessRole, expires_at: wallMs });
export type LoginReply = z.infer<typeof loginReply>;

/** POST /api/v1/setup → 201 `one("Fleet", fleetItem)`, once, on a hub without a fleet: `setup_token` was written to a 0600 file by the hub's first start. */
export const setupRequest = z.strictObject({ setup_token: text(128), root: envelope });

/** POST /api/v1/tokens → 201 `tokenCreated`; GET → `page("TokenList", tokenItem)`; DELETE /api/v1/tokens/{id} → 204. Every POST that creates takes `idempotency-key`. */
export const tokenCreate = z.strictObject({ name, role: accessRole, expires_at: z.optional(wallMs) });
export const tokenItem = z.object({
  id: opaqueId,
  name,
  role: accessRole,
  created_at: wallMs,
  expires_at: z.nullable(wallMs),
  last_used_at: z.nullable(wallMs),
});
export type TokenItem = z.infer<typeof tokenItem>;
/** The token is shown this once. */
export const tokenCreated = z.object({ id: opaqueId, token: text(128) });
export type TokenCreated = z.infer<typeof tokenCreated>;
