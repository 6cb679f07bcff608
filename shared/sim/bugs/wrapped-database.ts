import type { Database } from "../../ports/databases.ts";

/** The same database with some of its calls replaced. */
export function wrapped(database: Database, changed: Partial<Pick<Database, "all" | "get" | "run">>): Database {
  return {
    all: (op, sql, ...params) => database.all(op, sql, ...params),
    get: (op, sql, ...params) => database.get(op, sql, ...params),
    run: (op, sql, ...params) => database.run(op, sql, ...params),
    transaction: (op, body) => database.transaction(op, body),
    copyTo: (op, path) => database.copyTo(op, path),
    check: (op) => database.check(op),
    close: () => database.close(),
    ...changed,
  };
}
