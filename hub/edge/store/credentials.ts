/**
 * Operators' credentials: sessions (a key of the current root signed a challenge) and API tokens (for machines). The hub keeps only
 * the SHA-256 of each secret; a secret holds 256 random bits, so a plain hash is enough and look-up by hash leaks no timing.
 * A session lives 12 hours and dies at once when its key leaves the root. Agents' credentials are another table and another prefix.
 */
import { base64url, utf8 } from "../../../shared/core/bytes.ts";
import { sha256Hex } from "../../../shared/core/sha256.ts";
import type { Database } from "../../../shared/ports/databases.ts";
import type { AccessRole } from "../../../shared/protocol/api/login.ts";

export const CREDENTIAL_TABLES = [
  `CREATE TABLE sessions (
    secret_sha256 TEXT PRIMARY KEY,
    session_id TEXT NOT NULL UNIQUE,
    key_id TEXT NOT NULL,
    role TEXT NOT NULL,
    address TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
  ) STRICT`,
  "CREATE INDEX sessions_by_key ON sessions (key_id)",
  "CREATE INDEX sessions_by_expiry ON sessions (expires_at)",
  `CREATE TABLE tokens (
    token_id TEXT PRIMARY KEY,
    secret_sha256 TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    last_used_at INTEGER,
    revoked_at INTEGER
  ) STRICT`,
] as const;

export const SESSION_MS = 12 * 3_600_000;
/** The audience is in the prefix, so that a secret found somewhere says what it opens, and scanners can look for it. */
export const SESSION_PREFIX = "fos_";
export const TOKEN_PREFIX = "fot_";
export const TOKENS_MAX = 1_000;
export const SESSIONS_PER_KEY_MAX = 64;
const LAST_USED_STEP_MS = 60_000;
const TOKEN_COLUMNS = "token_id, name, role, created_at, expires_at, last_used_at";

export const makeSecret = (prefix: string, random: Uint8Array): string => `${prefix}${base64url(random)}`;
export const secretHash = (secret: string): string => sha256Hex(utf8(secret));

export interface SessionRow {
  readonly session_id: string;
  readonly key_id: string;
  readonly role: AccessRole;
  readonly expires_at: number;
}

export interface TokenRow {
  readonly token_id: string;
  readonly name: string;
  readonly role: AccessRole;
  readonly created_at: number;
  readonly expires_at: number | null;
  readonly last_used_at: number | null;
}

/** Inside a transaction. The oldest sessions of the same key make room, so that one key cannot fill the table. */
export function insertSession(db: Database, session: SessionRow & { readonly secret: string; readonly address: string; readonly created_at: number }): void {
  db.run(
    "sessions.insert",
    "INSERT INTO sessions (secret_sha256, session_id, key_id, role, address, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
    secretHash(session.secret),
    session.session_id,
    session.key_id,
    session.role,
    session.address,
    session.created_at,
    session.expires_at,
  );
  db.run(
    "sessions.bound",
    "DELETE FROM sessions WHERE key_id = ? AND session_id NOT IN (SELECT session_id FROM sessions WHERE key_id = ? ORDER BY created_at DESC, rowid DESC LIMIT ?)",
    session.key_id,
    session.key_id,
    SESSIONS_PER_KEY_MAX,
  );
}

export function findSession(db: Database, secret: string, nowMs: number): SessionRow | undefined {
  return db.get<SessionRow>(
    "sessions.find",
    "SELECT session_id, key_id, role, expires_at FROM sessions WHERE secret_sha256 = ? AND expires_at > ?",
    secretHash(secret),
    nowMs,
  );
}

/** Inside a transaction: ends every session whose key is not among these. Returns how many. */
export function keepSessionsOf(db: Database, keyIds: readonly string[]): number {
  return db.run("sessions.keep", "DELETE FROM sessions WHERE key_id NOT IN (SELECT value FROM json_each(?))", JSON.stringify(keyIds)).changes;
}

export function deleteSession(db: Database, sessionId: string): boolean {
  return db.run("sessions.delete", "DELETE FROM sessions WHERE session_id = ?", sessionId).changes > 0;
}

export function deleteExpiredSessions(db: Database, nowMs: number, limit: number): number {
  return db.run("sessions.expire", "DELETE FROM sessions WHERE rowid IN (SELECT rowid FROM sessions WHERE expires_at <= ? LIMIT ?)", nowMs, limit).changes;
}

/** Inside a transaction. False when the hub already holds `TOKENS_MAX` live ones. */
export function insertToken(db: Database, token: Omit<TokenRow, "last_used_at"> & { readonly secret: string }): boolean {
  const live = db.get<{ count: number }>("tokens.count", "SELECT count(*) AS count FROM tokens WHERE revoked_at IS NULL")?.count ?? 0;
  if (live >= TOKENS_MAX) return false;
  db.run(
    "tokens.insert",
    "INSERT INTO tokens (token_id, secret_sha256, name, role, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)",
    token.token_id,
    secretHash(token.secret),
    token.name,
    token.role,
    token.created_at,
    token.expires_at,
  );
  return true;
}

export function findToken(db: Database, secret: string, nowMs: number): TokenRow | undefined {
  return db.get<TokenRow>(
    "tokens.find",
    `SELECT ${TOKEN_COLUMNS} FROM tokens WHERE secret_sha256 = ? AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?)`,
    secretHash(secret),
    nowMs,
  );
}

/** Whether a use is worth writing down: at most once a minute, so that reading does not mean writing. */
export const isUseStale = (token: TokenRow, nowMs: number): boolean => (token.last_used_at ?? 0) + LAST_USED_STEP_MS <= nowMs;

/** Inside a transaction. */
export function touchToken(db: Database, tokenId: string, nowMs: number): void {
  db.run("tokens.used", "UPDATE tokens SET last_used_at = ? WHERE token_id = ?", nowMs, tokenId);
}

export function listTokens(db: Database, afterId: string, limit: number): readonly TokenRow[] {
  return db.all<TokenRow>(
    "tokens.list",
    `SELECT ${TOKEN_COLUMNS} FROM tokens WHERE revoked_at IS NULL AND token_id > ? ORDER BY token_id LIMIT ?`,
    afterId,
    limit,
  );
}

/** Inside a transaction. False when there is no such live token. */
export function revokeToken(db: Database, tokenId: string, nowMs: number): boolean {
  return db.run("tokens.revoke", "UPDATE tokens SET revoked_at = ? WHERE token_id = ? AND revoked_at IS NULL", nowMs, tokenId).changes > 0;
}
