/**
 * An op for a box that is gone while the hub still holds its last request: killed, so that its connection ended, or frozen, so that nobody
 * can tell. The operator is told that it is away and is not kept waiting; when the box is back it gets the op, runs it once and
 * answers (N, J01). A connection that is cut in between is in partitions.test.ts.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Database } from "bun:sqlite";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { BINARY, type Box, RealFleet } from "../../scripts/fleet/real-fleet.ts";
import { CountedOps } from "../loopback/counted-ops.ts";

const reason = existsSync(BINARY) ? undefined : "dist/felhom is not built";
const fleet = new RealFleet({ lightVault: true });
const given: { box?: Box; ops?: CountedOps } = {};

function parts(): { readonly box: Box; readonly ops: CountedOps } {
  const { box, ops } = given;
  if (box === undefined || ops === undefined) throw new Error("there is no fleet");
  return { box, ops };
}

function stateOf(id: string | undefined): string | undefined {
  const database = new Database(join(fleet.hubDir, "hub.db"), { readonly: true });
  try {
    const sql = "SELECT t.state FROM op_targets t JOIN ops o USING (op_seq) WHERE o.op_id = ?";
    return database.query<{ state: string }, [string]>(sql).get(id ?? "")?.state;
  } finally {
    database.close();
  }
}

/** The box at rest: it has answered, and its next sync is held. */
async function atRest(): Promise<void> {
  const { ops } = parts();
  await ops.send("box-1");
  await ops.settled();
  await fleet.until("its sync is held", () => Promise.resolve(/"heldSyncs":1\b/.test(fleet.quietly(["status", "-o", "json"]))));
}

describe.skipIf(reason !== undefined)(reason === undefined ? "an op for a box that has just gone" : `a box that has just gone [skipped: ${reason}]`, () => {
  beforeAll(async () => {
    await fleet.start();
    given.box = await fleet.addBox("box-1");
    given.ops = new CountedOps(fleet, [given.box]);
  }, 240_000);
  afterAll(() => fleet.stop());

  for (const { how, state, says } of [
    { how: "killed", state: "waiting", says: /waiting +box-1 +last seen .* ago; the op waits for it/ },
    { how: "frozen", state: "delivered", says: /waiting +box-1 +was given it, last seen .* ago; the op waits for it/ },
  ]) {
    test(`${how}: the operator hears that it is away, and it runs the op once when it is back`, async () => {
      const { box, ops } = parts();
      await atRest();
      await fleet.kill("agent-box-1", how === "killed" ? "SIGKILL" : "SIGSTOP");
      const id = await ops.send("box-1");
      expect(stateOf(id)).toBe(state);
      const followed = fleet.operator(["job", "follow", id ?? ""], [5]);
      expect(followed.stdout + followed.stderr).toMatch(says);
      if (how === "killed") await fleet.startAgent(box);
      else await fleet.kill("agent-box-1", "SIGCONT");
      await ops.settled();
      expect([stateOf(id), ops.tally()]).toEqual(["returned", expect.objectContaining({ duplicates: 0, interrupted: 0, lost: [], untrue: [] })]);
    }, 240_000);
  }
});
