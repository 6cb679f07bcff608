/**
 * What boxes show to sync: 32 random bytes, kept here as SHA-256 only. A host has the one it uses and, until the box has used it
 * once, a newer one that is being delivered; the older goes when the newer is confirmed.
 */
import { base64url } from "../../../shared/core/bytes.ts";
import { sha256HexOfText } from "../../../shared/core/sha256.ts";
import type { Database } from "../../../shared/ports/databases.ts";

/** Says whose door it opens, like `fos_` and `fot_` of operators. */
export const HOST_CREDENTIAL_PREFIX = "foh_";
export const HOST_CREDENTIAL_CHARS = HOST_CREDENTIAL_PREFIX.length + 43;

export const makeHostCredential = (random: Uint8Array): string => `${HOST_CREDENTIAL_PREFIX}${base64url(random)}`;
export const hostCredentialHash = (credential: string): string => sha256HexOfText(credential);

export interface HostCredentialRow {
  readonly sha256: string;
  readonly host_id: string;
  readonly created_at: number;
  readonly confirmed_at: number | null;
}

/** Inside a transaction. Another one that was never used makes room: at most two per host. */
export function insertHostCredential(db: Database, credential: Omit<HostCredentialRow, "confirmed_at">): void {
  db.run("host-credentials.insert", "DELETE FROM host_credentials WHERE host_id = ? AND confirmed_at IS NULL", credential.host_id);
  db.run(
    "host-credentials.insert",
    "INSERT INTO host_credentials (sha256, host_id, created_at) VALUES (?, ?, ?)",
    credential.sha256,
    credential.host_id,
    credential.created_at,
  );
}

/** Inside a transaction: it was used, so the others of this host end. */
export function confirmHostCredential(db: Database, sha256: string, hostId: string, nowMs: number): void {
  db.run("host-credentials.confirm", "UPDATE host_credentials SET confirmed_at = ? WHERE sha256 = ? AND confirmed_at IS NULL", nowMs, sha256);
  db.run("host-credentials.confirm", "DELETE FROM host_credentials WHERE host_id = ? AND sha256 <> ?", hostId, sha256);
}

/** In order, for loading the table at start. */
export function hostCredentialsAfter(db: Database, sha256: string, limit: number): readonly HostCredentialRow[] {
  return db.all<HostCredentialRow>(
    "host-credentials.load",
    "SELECT sha256, host_id, created_at, confirmed_at FROM host_credentials WHERE sha256 > ? ORDER BY sha256 LIMIT ?",
    sha256,
    limit,
  );
}
