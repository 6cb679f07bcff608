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
  {
    version: 2,
    name: "ledger of ops and their log",
    statements: [
      // `checksum` covers what decides whether an op may run: a flipped bit must not turn a replayed op into a new one.
      "CREATE TABLE op (id TEXT PRIMARY KEY, nonce TEXT NOT NULL UNIQUE, generation INTEGER NOT NULL UNIQUE, kind TEXT NOT NULL, sha256 TEXT NOT NULL, envelope TEXT, carrier TEXT NOT NULL, signers TEXT NOT NULL, state TEXT NOT NULL, resumes INTEGER NOT NULL DEFAULT 0, parts INTEGER NOT NULL DEFAULT 0, admitted_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL, started_ms INTEGER, ended_ms INTEGER, pid INTEGER, pid_start INTEGER, boot_id TEXT, code TEXT, answer TEXT, checksum TEXT NOT NULL) STRICT",
      "CREATE INDEX op_active ON op (generation) WHERE state IN ('admitted', 'running')",
      "CREATE INDEX op_by_expiry ON op (expires_ms)",
      "CREATE TABLE ledger (id INTEGER PRIMARY KEY CHECK (id = 1), generation INTEGER NOT NULL, rows INTEGER NOT NULL, floor_ms INTEGER NOT NULL, from_ms INTEGER NOT NULL, incident_is TEXT, incident TEXT, checksum TEXT NOT NULL) STRICT",
      "CREATE TABLE op_log (seq INTEGER PRIMARY KEY, entry TEXT NOT NULL, hash TEXT NOT NULL) STRICT",
    ],
  },
];
