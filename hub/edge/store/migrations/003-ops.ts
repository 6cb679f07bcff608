/**
 * Ops, their targets, what hosts answered, and each host's own log of ops. What is active is marked `is_open` and found by partial
 * indexes alone, so a million finished ops cost nothing but their disk. The envelope, which may be a megabyte, lies apart from the row
 * that changes with every answer.
 */
export const OP_TABLES = [
  `CREATE TABLE ops (
    op_seq INTEGER PRIMARY KEY AUTOINCREMENT,
    op_id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    class TEXT NOT NULL,
    state TEXT NOT NULL,
    is_open INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    target_key TEXT NOT NULL,
    drafted_by TEXT NOT NULL,
    note TEXT,
    created_at INTEGER NOT NULL,
    accepted_at INTEGER,
    expires_at INTEGER NOT NULL,
    pacing TEXT,
    cancelled_by TEXT,
    job TEXT,
    total INTEGER NOT NULL,
    due_at INTEGER,
    finished_at INTEGER
  ) STRICT`,
  "CREATE INDEX ops_due ON ops (due_at) WHERE is_open = 1",
  "CREATE INDEX ops_open ON ops (kind, state, target_key) WHERE is_open = 1",
  "CREATE INDEX ops_by_state ON ops (state, op_seq)",
  "CREATE INDEX ops_finished ON ops (finished_at) WHERE is_open = 0",
  "CREATE TABLE op_envelopes (op_seq INTEGER PRIMARY KEY, envelope TEXT NOT NULL) STRICT",
  `CREATE TABLE op_targets (
    op_seq INTEGER NOT NULL,
    host_id TEXT NOT NULL,
    batch INTEGER NOT NULL,
    state TEXT NOT NULL,
    is_open INTEGER NOT NULL,
    since INTEGER NOT NULL,
    code TEXT,
    answered INTEGER NOT NULL DEFAULT 0,
    late TEXT,
    PRIMARY KEY (op_seq, host_id)
  ) STRICT, WITHOUT ROWID`,
  "CREATE INDEX op_targets_of_host ON op_targets (host_id, op_seq) WHERE is_open = 1",
  "CREATE INDEX op_targets_of_op ON op_targets (op_seq, state, batch) WHERE is_open = 1",
  `CREATE TABLE op_returns (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    op_id TEXT NOT NULL,
    host_id TEXT NOT NULL,
    part INTEGER NOT NULL,
    state TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    verified INTEGER NOT NULL,
    is_known INTEGER NOT NULL,
    digest TEXT NOT NULL,
    envelope TEXT NOT NULL
  ) STRICT`,
  // Every index ends in the row's own number, so this one is in the order of `seq`.
  "CREATE INDEX op_returns_of_op ON op_returns (op_id)",
  "CREATE UNIQUE INDEX op_returns_once ON op_returns (host_id, op_id, part, digest)",
  // Of ops that are not here: few, bounded per host.
  "CREATE INDEX op_returns_unknown ON op_returns (host_id, received_at) WHERE is_known = 0",
  `CREATE TABLE op_log (
    host_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    entry TEXT NOT NULL,
    PRIMARY KEY (host_id, seq, sha256)
  ) STRICT, WITHOUT ROWID`,
  "CREATE INDEX op_log_by_age ON op_log (received_at)",
  "ALTER TABLE hosts ADD COLUMN ledger_generation INTEGER NOT NULL DEFAULT 0",
] as const;
