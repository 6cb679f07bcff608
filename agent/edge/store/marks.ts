import type { Database } from "../../../shared/ports/databases.ts";
import { isCount, isPlain, isText, parseJson } from "../../../shared/protocol/plain-json.ts";

/** What was last told, so that the same is not told again. Losing a mark costs one repeated report. */
export interface Mark {
  readonly digest: string;
  readonly atMs: number;
}

export function readMark(database: Database, name: "reported" | "facts"): Mark {
  const row = database.get<{ body: string }>("mark.read", "SELECT body FROM scratch WHERE name = ?", name);
  const value = row === undefined ? undefined : parseJson(row.body);
  return isPlain(value) && isText(value["digest"], 64) && isCount(value["atMs"]) ? { digest: value["digest"], atMs: value["atMs"] } : { digest: "", atMs: 0 };
}

export function writeMark(database: Database, name: "reported" | "facts", value: Mark): void {
  database.run(
    "mark.write",
    "INSERT INTO scratch (name, body) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET body = excluded.body",
    name,
    JSON.stringify(value),
  );
}
