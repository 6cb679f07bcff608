import { Cluster } from "../../shared/sim/cluster/cluster.ts";
import { warmUp } from "../../shared/sim/warm-up.ts";
import type { Bench } from "./bench.ts";

/**
 * How long after a publish is confirmed until 1 000 hosts enforce it: hub and agents are the real ones, in virtual time, on a network
 * with up to 20 ms each way. Floor: the same for a single host. So the ratio says what a fleet costs over one box; time that
 * the code itself computes does not count here (hub.* measure that).
 */
const HOSTS = 1_000;
const SETUP_MS_MAX = 60 * 60_000;
const PUBLISH_MS_MAX = 60 * 60_000;

export async function publish1000Hosts(): Promise<Bench[]> {
  await warmUp();
  const one = await publishSeconds(1);
  const all = await publishSeconds(HOSTS);
  return [{ bench: "publish.1000_hosts", value: all, unit: "s", floor: one, floorName: "one host", ratio: all / one, note: "virtual time" }];
}

async function publishSeconds(boxes: number): Promise<number> {
  const cluster = new Cluster({ seed: "publish", boxes, grants: "all" });
  const { hub, operator, scheduler, truth } = cluster;
  hub.boot();
  await scheduler.advance(5_000);
  await until(
    cluster,
    SETUP_MS_MAX,
    () => operator.round(),
    () => operator.isReady,
  );
  for (const box of cluster.boxes) box.boot();
  // In hold, with nothing to tell: as a fleet is most of its time.
  await until(
    cluster,
    SETUP_MS_MAX,
    () => operator.round(),
    () => cluster.boxes.every((box) => box.isEnrolled() && truth.heard.has(box.hostId() ?? "")),
  );
  await scheduler.advance(5 * 60_000);
  await until(
    cluster,
    PUBLISH_MS_MAX,
    () => operator.publish(),
    () => truth.acked.bundle >= 1,
  );
  const publishedMs = cluster.nowMs;
  const motd = truth.bundles.get(1)?.motd;
  const waiting = new Set(cluster.boxes.filter((box) => box.text("/etc/motd") !== motd));
  while (waiting.size > 0 && cluster.nowMs - publishedMs < PUBLISH_MS_MAX && (await scheduler.step())) {
    for (const box of waiting) if (cluster.changed.has(box.machine.name) && box.text("/etc/motd") === motd) waiting.delete(box);
    cluster.changed.clear();
  }
  if (waiting.size > 0) throw new Error(`${waiting.size} of ${boxes} hosts do not enforce the bundle after an hour`);
  return (cluster.nowMs - publishedMs) / 1_000;
}

/** Asks again every few seconds until it is so. */
async function until(cluster: Cluster, maxMs: number, ask: () => Promise<void>, isDone: () => boolean): Promise<void> {
  const startMs = cluster.nowMs;
  while (!isDone()) {
    if (cluster.nowMs - startMs > maxMs) throw new Error("the simulated fleet does not come up");
    const asked = ask();
    for (let turns = 0; turns < 100 && !isDone(); turns += 1) await cluster.scheduler.advance(20);
    await cluster.scheduler.advance(isDone() ? 0 : 3_000);
    void asked;
  }
}
