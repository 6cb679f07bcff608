import type { Migration } from "../../../shared/ports/databases.ts";

/** `agent.db`. Documents are written by the worker (verified first), the outbox and the counters by the resident. */
export const AGENT_MIGRATIONS: readonly Migration[] = [
  {
    version: 1,
    name: "documents, outbox, counters",
    statements: [
      // `sha256` is of `body`: SQLite has no checksums, and a flipped bit must not pass for a document.
      "CREATE TABLE document (kind TEXT PRIMARY KEY, body TEXT NOT NULL, sha256 TEXT NOT NULL) STRICT, WITHOUT ROWID",
      "CREATE TABLE outbox (seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, bytes INTEGER NOT NULL, body TEXT NOT NULL, created_ms INTEGER NOT NULL, parked INTEGER NOT NULL DEFAULT 0) STRICT",
      "CREATE INDEX outbox_by_kind ON outbox (kind, seq)",
      // What may be lost: back-off state, what was last reported.
      "CREATE TABLE scratch (name TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT, WITHOUT ROWID",
      "CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID",
    ],
  },
];
