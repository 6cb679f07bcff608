/**
 * Leaving the fleet, after the answer is durable: first it is given the time to reach the hub, because the credential goes with the
 * rest. Membership goes first of all files: a crash in the middle leaves a box that is not enrolled, and that enrolls anew.
 */
import { Fault } from "../../../shared/core/fault.ts";
import type { World } from "../../../shared/ports/world.ts";
import { paths } from "../../core/desired/paths.ts";
import { removeTree } from "../desired/remove-tree.ts";
import type { Desk } from "../desk.ts";

const LAST_WORD_MS = 60_000;
const LOOK_MS = 200;

export async function forgetFleet(world: World, desk: Desk): Promise<void> {
  const never = new AbortController().signal;
  for (let waitedMs = 0; waitedMs < LAST_WORD_MS && isOwed(desk); waitedMs += LOOK_MS) await world.clock.sleep(LOOK_MS, never);
  const { dataDir } = desk.settings;
  const at = paths(dataDir);
  // One converge run at most is under way, and it may not write documents back.
  await desk.turnstile.acquire(never);
  for (const path of [at.membership, at.enrollment, at.signingKey, at.boxKey, at.nextBoxKey, at.snapshot]) world.files.remove("forget.remove", path);
  for (const dir of [at.bundles, at.blobs, at.opScratch]) removeTree(world.files, "forget.remove", dir);
  desk.store.use((database) =>
    database.transaction("forget.remove", () => {
      for (const table of ["document", "outbox", "scratch", "counter", "op", "ledger", "op_log"]) database.run("forget.remove", `DELETE FROM ${table}`);
    }),
  );
  world.files.remove("forget.remove", at.ledgerMarker);
  throw new Fault("left_fleet", "This box has left its fleet", { remedy: "felhom enroll, to join one again" });
}

function isOwed(desk: Desk): boolean {
  return desk.store.use((database) => database.get("forget.owed", "SELECT 1 AS owed FROM outbox WHERE kind = 'return' AND parked = 0 LIMIT 1")) !== undefined;
}
