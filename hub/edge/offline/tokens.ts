/**
 * API tokens made and revoked on the data directory itself: the first token of a hub, or the last way in. Whoever can write that directory
 * owns the hub anyway. It works beside a running hub, which looks every credential up in the database; each change has its audit row.
 */
import { base32 } from "../../../shared/core/bytes.ts";
import { Fault } from "../../../shared/core/fault.ts";
import type { Database } from "../../../shared/ports/databases.ts";
import type { World } from "../../../shared/ports/world.ts";
import type { AccessRole } from "../../../shared/protocol/api/login.ts";
import { type AuditDeed, appendAudit } from "../store/audit.ts";
import { insertToken, listTokens, makeSecret, revokeToken, type TokenRow, TOKEN_PREFIX, TOKENS_MAX } from "../store/credentials.ts";
import { databasePath, MIGRATIONS } from "../store/open.ts";

export interface NewToken {
  readonly name: string;
  readonly role: AccessRole;
  readonly expiresAt: number | null;
}

export function createToken(world: World, dataDir: string, { name, role, expiresAt }: NewToken): { readonly id: string; readonly token: string } {
  const id = `t-${base32(world.crypto.randomBytes(10))}`;
  const token = makeSecret(TOKEN_PREFIX, world.crypto.randomBytes(32));
  withWrites(world, dataDir, (db, nowMs) => {
    if (!insertToken(db, { token_id: id, secret: token, name, role, created_at: nowMs, expires_at: expiresAt }))
      throw new Fault("conflict", `Cannot make the token: there are ${TOKENS_MAX} already`, { remedy: "Revoke some: felhom hub token list" });
    return { action: "token.create", target: id, data: { name, role, expires_at: expiresAt } };
  });
  return { id, token };
}

export function listAllTokens(world: World, dataDir: string): readonly TokenRow[] {
  const db = world.databases.open("hub.tokens", databasePath(dataDir), { migrations: MIGRATIONS, readonly: true });
  try {
    return listTokens(db, "", TOKENS_MAX);
  } finally {
    db.close();
  }
}

export function revokeTokenOffline(world: World, dataDir: string, id: string): void {
  withWrites(world, dataDir, (db, nowMs) => {
    if (!revokeToken(db, id, nowMs))
      throw new Fault("not_found", `Cannot revoke token ${id.slice(0, 64)}: there is no such live one`, { remedy: "felhom hub token list" });
    return { action: "token.revoke", target: id };
  });
}

/** Opened read-only first: a hub of another version may be serving this database, and nothing here may migrate it. */
function withWrites(world: World, dataDir: string, deed: (db: Database, nowMs: number) => Pick<AuditDeed, "action" | "target" | "data">): void {
  world.databases.open("hub.tokens", databasePath(dataDir), { migrations: MIGRATIONS, readonly: true }).close();
  const db = world.databases.open("hub.tokens", databasePath(dataDir), { migrations: MIGRATIONS });
  try {
    const nowMs = world.clock.wallMs();
    db.transaction("hub.tokens", () => appendAudit(db, { at: nowMs, actor: "local", from: "local", ...deed(db, nowMs) }));
  } finally {
    db.close();
  }
}
