import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { groupGone } from "./process-group.ts";

test("a group is gone when the last of it is, not when its leader is", async () => {
  const place = mkdtempSync(join(tmpdir(), "felhom-group-"));
  // The leader ends at once; what it left behind ends when the directory does.
  const child = Bun.spawn(["sh", "-c", `while [ -e ${place} ]; do sleep 0.02; done & exit 0`], { stdio: ["ignore", "ignore", "ignore"], detached: true });
  expect(await child.exited).toBe(0);
  let isGone = false;
  const gone = groupGone(child.pid).then(() => (isGone = true));
  await Bun.sleep(50);
  expect(isGone).toBe(false);
  rmSync(place, { recursive: true });
  await gone;
  // And of one that has long ended.
  await groupGone(child.pid);
});
