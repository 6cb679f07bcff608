/**
 * Grants: operator-signed permission for unattended enrollment. The hub counts uses as a courtesy to the operator; it cannot mint or
 * spend one (the box signs its admission with the token's own key). Counting is one conditional update, so of any number of racers
 * exactly as many win as uses are left; a box that already redeemed this grant does not use up another.
 */
import type { Database } from "../../../shared/ports/databases.ts";

export const GRANT_TABLES = [
  `CREATE TABLE grants (
    grant_id TEXT PRIMARY KEY,
    envelope TEXT NOT NULL,
    token_key TEXT NOT NULL UNIQUE,
    uses INTEGER NOT NULL,
    used INTEGER NOT NULL DEFAULT 0 CHECK (used BETWEEN 0 AND uses),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER
  ) STRICT`,
  `CREATE TABLE grant_uses (
    grant_id TEXT NOT NULL REFERENCES grants (grant_id),
    host_id TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (grant_id, host_id)
  ) STRICT, WITHOUT ROWID`,
] as const;

export interface GrantRow {
  readonly grant_id: string;
  readonly envelope: string;
  readonly uses: number;
  readonly used: number;
  readonly created_at: number;
  readonly expires_at: number;
  readonly revoked_at: number | null;
}

const COLUMNS = "grant_id, envelope, uses, used, created_at, expires_at, revoked_at";

/** Inside a transaction. False when the id or the token key is already known. */
export function insertGrant(
  db: Database,
  grant: Pick<GrantRow, "grant_id" | "envelope" | "uses" | "created_at" | "expires_at"> & { readonly token_key: string },
): boolean {
  return (
    db.run(
      "grants.insert",
      "INSERT INTO grants (grant_id, envelope, token_key, uses, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
      grant.grant_id,
      grant.envelope,
      grant.token_key,
      grant.uses,
      grant.created_at,
      grant.expires_at,
    ).changes > 0
  );
}

export function findGrant(db: Database, grantId: string): GrantRow | undefined {
  return db.get<GrantRow>("grants.find", `SELECT ${COLUMNS} FROM grants WHERE grant_id = ?`, grantId);
}

export function listGrants(db: Database, afterId: string, limit: number): readonly GrantRow[] {
  return db.all<GrantRow>("grants.list", `SELECT ${COLUMNS} FROM grants WHERE grant_id > ? ORDER BY grant_id LIMIT ?`, afterId, limit);
}

/** Inside a transaction. False when there is no such live grant. */
export function revokeGrant(db: Database, grantId: string, nowMs: number): boolean {
  return db.run("grants.revoke", "UPDATE grants SET revoked_at = ? WHERE grant_id = ? AND revoked_at IS NULL", nowMs, grantId).changes > 0;
}

export type Redemption = "redeemed" | "again" | "unknown" | "revoked" | "expired" | "used-up";

/** Inside the transaction that admits the host. */
export function redeemGrant(db: Database, grantId: string, hostId: string, nowMs: number): Redemption {
  const grant = db.get<GrantRow>("grants.redeem", `SELECT ${COLUMNS} FROM grants WHERE grant_id = ?`, grantId);
  if (grant === undefined) return "unknown";
  if (grant.revoked_at !== null) return "revoked";
  if (nowMs >= grant.expires_at) return "expired";
  if (db.get("grants.redeem", "SELECT 1 AS one FROM grant_uses WHERE grant_id = ? AND host_id = ?", grantId, hostId) !== undefined) return "again";
  const won = db.run("grants.redeem", "UPDATE grants SET used = used + 1 WHERE grant_id = ? AND used < uses AND revoked_at IS NULL", grantId).changes > 0;
  if (!won) return "used-up";
  db.run("grants.redeem", "INSERT INTO grant_uses (grant_id, host_id, at) VALUES (?, ?, ?)", grantId, hostId, nowMs);
  return "redeemed";
}
