/** Brings a database to this program's schema, one transaction per step; refuses a newer or a different history untouched. */
import { assert } from "../core/assert.ts";
import { Fault } from "../core/fault.ts";
import type { Database, Migration } from "../ports/databases.ts";

export function migrate(op: string, database: Database, migrations: readonly Migration[], readonly: boolean): void {
  migrations.forEach(({ version }, at) => assert(version === at + 1, `migrations are numbered from 1 without gaps (${version})`));
  const done = applied(op, database);
  for (const { version, name } of done) {
    const ours = migrations[version - 1];
    if (ours === undefined) {
      throw new Fault("db_newer", `Cannot use this database: its schema is version ${done.length}, this felhom knows ${migrations.length}`, {
        facts: { op, schema: done.length, known: migrations.length },
        remedy: "Run a felhom at least as new as the one that wrote it, or restore a backup.",
      });
    }
    if (ours.name !== name)
      throw new Fault("db_failed", `Cannot use this database: its migration ${version} is ${name}, not ${ours.name}`, { facts: { op, version } });
  }
  const missing = migrations.slice(done.length);
  if (missing.length === 0) return;
  if (readonly) throw new Fault("db_failed", `Cannot read this database: its schema is version ${done.length}, not ${migrations.length}`, { facts: { op } });
  for (const migration of missing) apply(op, database, migration);
}

function applied(op: string, database: Database): readonly { version: number; name: string }[] {
  const table = database.get(op, "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'schema_version'");
  return table === undefined ? [] : database.all<{ version: number; name: string }>(op, "SELECT version, name FROM schema_version ORDER BY version");
}

function apply(op: string, database: Database, migration: Migration): void {
  database.transaction(`${op}.migrate`, () => {
    database.run(op, "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT");
    for (const statement of migration.statements) database.run(op, statement);
    database.run(op, "INSERT INTO schema_version (version, name) VALUES (?, ?)", migration.version, migration.name);
  });
}
