/** Requests of boxes to be enrolled. One is open per key at most (a unique index); decided ones stay for the timeline until pruned. */
import type { Database } from "../../../shared/ports/databases.ts";

export type EnrollmentState = "pending" | "approved" | "rejected" | "revoked";

export interface EnrollmentRow {
  readonly request_id: string;
  readonly host_id: string;
  readonly state: EnrollmentState;
  readonly name: string;
  readonly signing_key: string;
  readonly box_key: string;
  /** The exact bytes the box signed (UTF-8 text), and its signature, base64url. */
  readonly statement: string;
  readonly signature: string;
  readonly address: string;
  readonly created_at: number;
  readonly decided_at: number | null;
  readonly reason: string | null;
  /** Present from the decision until the credential inside was used once. */
  readonly sealed_credential: string | null;
  readonly credential_sha256: string | null;
}

/** Decided requests kept per host, newest first. */
export const DECIDED_KEPT_PER_HOST = 10;

export function findEnrollment(db: Database, requestId: string): EnrollmentRow | undefined {
  return db.get<EnrollmentRow>("enrollments.find", "SELECT * FROM enrollments WHERE request_id = ?", requestId);
}

export function pendingEnrollmentOf(db: Database, hostId: string): EnrollmentRow | undefined {
  return db.get<EnrollmentRow>("enrollments.open", "SELECT * FROM enrollments WHERE host_id = ? AND state = 'pending'", hostId);
}

/** Approved for these keys, and its credential was never used. */
export function undeliveredEnrollmentOf(db: Database, hostId: string, boxKey: string): EnrollmentRow | undefined {
  return db.get<EnrollmentRow>(
    "enrollments.undelivered",
    "SELECT * FROM enrollments WHERE host_id = ? AND box_key = ? AND state = 'approved' AND sealed_credential IS NOT NULL ORDER BY created_at DESC, request_id LIMIT 1",
    hostId,
    boxKey,
  );
}

export function countPendingEnrollments(db: Database): number {
  return db.get<{ count: number }>("enrollments.count", "SELECT count(*) AS count FROM enrollments WHERE state = 'pending'")?.count ?? 0;
}

/** Oldest first, after `(createdAt, requestId)`. */
export function listEnrollments(
  db: Database,
  state: EnrollmentState,
  after: { readonly createdAt: number; readonly requestId: string },
  limit: number,
): readonly EnrollmentRow[] {
  return db.all<EnrollmentRow>(
    "enrollments.list",
    "SELECT * FROM enrollments WHERE state = ? AND (created_at, request_id) > (?, ?) ORDER BY created_at, request_id LIMIT ?",
    state,
    after.createdAt,
    after.requestId,
    limit,
  );
}

/** Inside a transaction. Older decided requests of the same host make room. */
export function insertEnrollment(db: Database, enrollment: EnrollmentRow): void {
  db.run(
    "enrollments.insert",
    `INSERT INTO enrollments (request_id, host_id, state, name, signing_key, box_key, statement, signature, address, created_at, decided_at, reason, sealed_credential, credential_sha256)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    enrollment.request_id,
    enrollment.host_id,
    enrollment.state,
    enrollment.name,
    enrollment.signing_key,
    enrollment.box_key,
    enrollment.statement,
    enrollment.signature,
    enrollment.address,
    enrollment.created_at,
    enrollment.decided_at,
    enrollment.reason,
    enrollment.sealed_credential,
    enrollment.credential_sha256,
  );
  db.run(
    "enrollments.bound",
    "DELETE FROM enrollments WHERE host_id = ?1 AND state <> 'pending' AND request_id NOT IN (SELECT request_id FROM enrollments WHERE host_id = ?1 AND state <> 'pending' ORDER BY created_at DESC, request_id LIMIT ?2)",
    enrollment.host_id,
    DECIDED_KEPT_PER_HOST,
  );
}

/** Inside a transaction: the same key asks again, with the statement it makes now. */
export function renewEnrollment(db: Database, requestId: string, said: Pick<EnrollmentRow, "name" | "box_key" | "statement" | "signature" | "address">): void {
  db.run(
    "enrollments.renew",
    "UPDATE enrollments SET name = ?, box_key = ?, statement = ?, signature = ?, address = ? WHERE request_id = ? AND state = 'pending'",
    said.name,
    said.box_key,
    said.statement,
    said.signature,
    said.address,
    requestId,
  );
}

export type Decision =
  | { readonly state: "approved"; readonly sealedCredential: string; readonly credentialSha256: string }
  | { readonly state: "rejected"; readonly reason: string | undefined };

/** Inside a transaction: of any number of deciders exactly one gets true. */
export function decideEnrollment(db: Database, requestId: string, decision: Decision, nowMs: number): boolean {
  const approved = decision.state === "approved" ? decision : undefined;
  return (
    db.run(
      "enrollments.decide",
      "UPDATE enrollments SET state = ?, decided_at = ?, reason = ?, sealed_credential = ?, credential_sha256 = ? WHERE request_id = ? AND state = 'pending'",
      decision.state,
      nowMs,
      decision.state === "rejected" ? (decision.reason ?? null) : null,
      approved?.sealedCredential ?? null,
      approved?.credentialSha256 ?? null,
      requestId,
    ).changes > 0
  );
}

/** Inside a transaction: the credential was used, so nobody needs to fetch it again. */
export function forgetSealedCredential(db: Database, credentialSha256: string, hostId: string): void {
  db.run("enrollments.delivered", "UPDATE enrollments SET sealed_credential = NULL WHERE host_id = ? AND credential_sha256 = ?", hostId, credentialSha256);
}

/** Inside a transaction: with its host. */
export function revokeEnrollments(db: Database, hostId: string, nowMs: number): void {
  db.run(
    "enrollments.revoke",
    "UPDATE enrollments SET state = 'revoked', decided_at = ?, sealed_credential = NULL WHERE host_id = ? AND state IN ('pending', 'approved')",
    nowMs,
    hostId,
  );
}
