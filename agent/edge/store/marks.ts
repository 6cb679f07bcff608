import * as z from "zod/mini";
import type { Database } from "../../../shared/ports/databases.ts";
import { text, wallMs } from "../../../shared/protocol/fields.ts";

/** What was last told, so that the same is not told again. Losing a mark costs one repeated report. */
const mark = z.object({ digest: text(64), atMs: wallMs });
export type Mark = z.infer<typeof mark>;

export function readMark(database: Database, name: "reported" | "facts"): Mark {
  const row = database.get<{ body: string }>("mark.read", "SELECT body FROM scratch WHERE name = ?", name);
  const parsed = row === undefined ? undefined : z.safeParse(mark, parseJson(row.body));
  return parsed?.success === true ? parsed.data : { digest: "", atMs: 0 };
}

export function writeMark(database: Database, name: "reported" | "facts", value: Mark): void {
  database.run("mark.write", "INSERT INTO scratch (name, body) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET body = excluded.body", name, JSON.stringify(value));
}

function parseJson(text_: string): unknown {
  try {
    return JSON.parse(text_);
  } catch {
    return undefined;
  }
}
