/** Per-resource back-off between runs. Losing it costs one early try, so it has no second copy and no damage is worth a fault. */
import { isFault } from "../../../shared/core/fault.ts";
import type { World } from "../../../shared/ports/world.ts";
import type { RetryState } from "../converge/converge.ts";
import { openAgentDb } from "./documents.ts";

const NOTHING: RetryState = {};

export function readRetry(world: World, dataDir: string): RetryState {
  try {
    const database = openAgentDb(world, dataDir);
    try {
      const row = database.get<{ body: string }>("retry.read", "SELECT body FROM scratch WHERE name = 'retry'");
      return row === undefined ? NOTHING : (JSON.parse(row.body) as RetryState);
    } finally {
      database.close();
    }
  } catch (error) {
    if (error instanceof SyntaxError || (isFault(error) && error.code.startsWith("db_"))) return NOTHING;
    throw error;
  }
}

export function writeRetry(world: World, dataDir: string, retry: RetryState): void {
  try {
    const database = openAgentDb(world, dataDir);
    try {
      database.run(
        "retry.write",
        "INSERT INTO scratch (name, body) VALUES ('retry', ?) ON CONFLICT (name) DO UPDATE SET body = excluded.body",
        JSON.stringify(retry),
      );
    } finally {
      database.close();
    }
  } catch (error) {
    // A damaged or full database must not keep a box from being put right: the next run tries a little too early.
    if (!isFault(error) || !error.code.startsWith("db_")) throw error;
  }
}
