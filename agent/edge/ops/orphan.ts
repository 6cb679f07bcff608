import type { World } from "../../../shared/ports/world.ts";
import type { Desk } from "../desk.ts";
import type { OpRow } from "./ledger-store.ts";
import { isSameProcess } from "./process-mark.ts";

const LOOK_MS = 1_000;

/**
 * A program that outlived the agent which started it. Its op is answered as interrupted, since nobody heard what it said; but while
 * it runs nothing exclusive may run beside it. Says whether there is one.
 */
export function watchOrphan(world: World, desk: Desk, row: OpRow, exclusive: boolean, stop: AbortSignal): boolean {
  if (row.pid === null || row.pid_start === null || row.boot_id === null) return false;
  const mark = { pid: row.pid, pidStart: row.pid_start, bootId: row.boot_id };
  if (!isSameProcess(world, mark, desk.bootId)) return false;
  if (exclusive) void hold(world, desk, () => isSameProcess(world, mark, desk.bootId), stop);
  return true;
}

async function hold(world: World, desk: Desk, isThere: () => boolean, stop: AbortSignal): Promise<void> {
  const release = await desk.turnstile.acquire(stop);
  while (!stop.aborted && isThere()) await world.clock.sleep(LOOK_MS, stop);
  release?.();
}
