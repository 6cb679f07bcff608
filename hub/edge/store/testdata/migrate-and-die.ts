/**
 * A child for the migration test: brings the database at argv[2] to this build's schema and kills itself (-9: no rollback, no close) right
 * before the argv[3]-th statement of the database, or ends well when there are fewer. The count of statements goes to stdout.
 */
import { Database as Sqlite } from "bun:sqlite";
import { databaseOn } from "../../../../shared/edge/databases.ts";
import { migrate } from "../../../../shared/edge/migrate.ts";
import type { Database } from "../../../../shared/ports/databases.ts";
import { MIGRATIONS } from "../open.ts";

const [, , path = "", killAt = "0", upto = "all"] = process.argv;
const sqlite = new Sqlite(path, { create: true, readwrite: true });
sqlite.run("PRAGMA journal_mode = WAL");
sqlite.run("PRAGMA synchronous = FULL");
sqlite.run("PRAGMA foreign_keys = ON");
const inner = databaseOn(sqlite, path);
let statements = 0;

function step(): void {
  statements += 1;
  if (statements === Number(killAt)) process.kill(process.pid, "SIGKILL");
}

const database: Database = {
  all: (op, sql, ...params) => (step(), inner.all(op, sql, ...params)),
  get: (op, sql, ...params) => (step(), inner.get(op, sql, ...params)),
  run: (op, sql, ...params) => (step(), inner.run(op, sql, ...params)),
  transaction: (op, body) =>
    inner.transaction(op, () => {
      const result = body();
      step(); // right before COMMIT
      return result;
    }),
  copyTo: (op, to) => inner.copyTo(op, to),
  check: (op) => inner.check(op),
  close: () => inner.close(),
};

migrate("hub.open", database, upto === "all" ? MIGRATIONS : MIGRATIONS.slice(0, Number(upto)), false);
step(); // right after the last COMMIT
process.stdout.write(`${statements}\n`);
