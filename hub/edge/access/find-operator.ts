/**
 * From a bearer secret to who it is. Two prefixes, two tables; a box's credential has neither and is never looked up here. A session is
 * worth nothing from the instant its key is gone from the root in force, whatever the table still says.
 */
import { isFault } from "../../../shared/core/fault.ts";
import type { Principal } from "../../core/access/capability.ts";
import type { Hub } from "../hub.ts";
import { findSession, findToken, isUseStale, SESSION_PREFIX, TOKEN_PREFIX, touchToken } from "../store/credentials.ts";

/** Longer than any secret this hub ever gave. */
const SECRET_CHARS_MAX = 64;

export const isOperatorSecret = (secret: string): boolean => secret.startsWith(SESSION_PREFIX) || secret.startsWith(TOKEN_PREFIX);

/** `nobody` for anything unknown, expired or revoked: the caller says the same words for all of them. */
export async function findOperator(hub: Hub, secret: string): Promise<Principal> {
  if (secret.length > SECRET_CHARS_MAX) return { is: "nobody" };
  const nowMs = hub.world.clock.wallMs();
  if (secret.startsWith(SESSION_PREFIX)) {
    const session = await hub.store.read((db) => findSession(db, secret, nowMs));
    const known = session !== undefined && Object.hasOwn(hub.fleet.root?.payload.keys ?? {}, session.key_id);
    return known ? { is: "session", keyId: session.key_id, role: session.role, sessionId: session.session_id } : { is: "nobody" };
  }
  if (!secret.startsWith(TOKEN_PREFIX)) return { is: "nobody" };
  const token = await hub.store.read((db) => findToken(db, secret, nowMs));
  if (token === undefined) return { is: "nobody" };
  if (isUseStale(token, nowMs)) await touch(hub, token.token_id, nowMs);
  return { is: "token", tokenId: token.token_id, role: token.role };
}

/** When a token was last used is a courtesy: a disk that is full must not stop reads. Anything else that fails is told. */
async function touch(hub: Hub, tokenId: string, nowMs: number): Promise<void> {
  try {
    await hub.store.write("tokens.used", (tx) => touchToken(tx.db, tokenId, nowMs));
  } catch (error) {
    if (!isFault(error, "db_full") && !isFault(error, "db_busy") && !isFault(error, "unavailable")) throw error;
  }
}
