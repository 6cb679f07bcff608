/**
 * Idempotency keys (draft-ietf-httpapi-idempotency-key-header): a POST that creates may be sent again with the same key and gets the
 * first answer, not a second thing. The answer is stored in the transaction that created; the key belongs to one actor and one route,
 * and the same key with another body is a conflict. Answers that hold a secret are stored without it and say so when replayed.
 */
import type { Database } from "../../../shared/ports/databases.ts";

export const IDEMPOTENCY_TABLES = [
  `CREATE TABLE idempotency (
    actor TEXT NOT NULL,
    route TEXT NOT NULL,
    key TEXT NOT NULL,
    body_sha256 TEXT NOT NULL,
    status INTEGER NOT NULL,
    reply TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (actor, route, key)
  ) STRICT`,
  "CREATE INDEX idempotency_by_age ON idempotency (created_at)",
] as const;

export const IDEMPOTENCY_KEEP_MS = 24 * 3_600_000;
export const IDEMPOTENCY_KEY = /^[A-Za-z0-9_-]{8,64}$/;

export interface IdempotencyId {
  readonly actor: string;
  readonly route: string;
  readonly key: string;
}

export interface StoredReply {
  readonly body_sha256: string;
  readonly status: number;
  readonly reply: string;
}

export function findReply(db: Database, id: IdempotencyId, nowMs: number): StoredReply | undefined {
  return db.get<StoredReply>(
    "idempotency.find",
    "SELECT body_sha256, status, reply FROM idempotency WHERE actor = ? AND route = ? AND key = ? AND created_at > ?",
    id.actor,
    id.route,
    id.key,
    nowMs - IDEMPOTENCY_KEEP_MS,
  );
}

/** Inside the transaction that created. */
export function storeReply(db: Database, id: IdempotencyId, reply: StoredReply, nowMs: number): void {
  db.run(
    "idempotency.store",
    "INSERT OR REPLACE INTO idempotency (actor, route, key, body_sha256, status, reply, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
    id.actor,
    id.route,
    id.key,
    reply.body_sha256,
    reply.status,
    reply.reply,
    nowMs,
  );
}

export function deleteOldReplies(db: Database, nowMs: number, limit: number): number {
  return db.run(
    "idempotency.expire",
    "DELETE FROM idempotency WHERE rowid IN (SELECT rowid FROM idempotency WHERE created_at <= ? LIMIT ?)",
    nowMs - IDEMPOTENCY_KEEP_MS,
    limit,
  ).changes;
}
